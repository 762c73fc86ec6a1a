//! A program called `criu` that speaks CRIU's protocol and does what a test wants: to see what CRIU is told, and what
//! becomes of it when CRIU misbehaves.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::support::{Container, Output, criu, program};

/// What it does with the request of a dump or restore. It keeps that request before.
pub enum Deed {
    /// Answers that it failed, with ENOMEM.
    Fails,
    /// Is killed.
    Dies,
    /// Tells that a process is restored, and then nothing more.
    Hangs,
    /// Answers with what is no message.
    Babbles,
    /// Says more than it may.
    Floods,
}

pub struct StandIn {
    directory: PathBuf,
}

/// The program up to the deed, `$s` being the socket and `$kind` the request's kind.
const BEGINNING: &str = r#"#!/usr/bin/perl
use strict;
open(my $s, '+<&=', $ARGV[1]) or die;
sub put { defined syswrite($s, $_[0]) or die }
sub varint { my ($n, $o) = ($_[0], ''); while ($n > 127) { $o .= chr($n % 128 + 128); $n = int($n / 128) } $o . chr($n) }
while (sysread($s, my $request, 1 << 20)) {
	my $kind = ord(substr($request, 1, 1));
	if ($kind == 10) { put("\x08\x0a\x10\x01\x52\x04\x08MAJOR\x10\x00"); next }
	if ($kind == 9) { put("\x08\x09\x10\x01\x42\x04\x08\x01\x10\x01"); next }
	open(my $kept, '>', 'DIRECTORY/request') or die;
	print $kept $request;
	close $kept;
	DEED
}
"#;

impl StandIn {
    pub fn new(container: &Container, deed: Deed) -> Result<Self> {
        Self::of_version(container, 4, deed)
    }

    pub fn of_version(container: &Container, major: u8, deed: Deed) -> Result<Self> {
        let directory = container.path("stand-in");
        fs::create_dir_all(&directory)?;
        let deed = match deed {
            Deed::Fails => r#"put("\x08" . chr($kind) . "\x10\x00\x38\x0c");"#,
            Deed::Dies => "kill 9, $$;",
            Deed::Hangs => {
                r#"my $pid = fork // die;
                   exec '/bin/sleep', '1000' unless $pid;
                   my $notify = "\x0a\x0cpost-restore\x10" . varint($pid);
                   put("\x08\x06\x10\x01\x2a" . chr(length $notify) . $notify);
                   sysread($s, my $answer, 100);
                   sleep 1000;"#
            }
            Deed::Babbles => r#"put("\xff" x 100);"#,
            Deed::Floods => {
                r#"setsockopt($s, 1, 32, pack('i', 8 << 20)) or die; # SO_SNDBUFFORCE
                   put("\x08" . chr($kind) . "\x10\x00\x4a" . varint(2 << 20) . ('x' x (2 << 20)));"#
            }
        };
        let text = BEGINNING
            .replace("MAJOR", &format!("\\x{major:02x}"))
            .replace("DIRECTORY", &directory.to_string_lossy())
            .replace("DEED", deed);
        program::script(&directory.join("criu"), &text)?;
        Ok(Self { directory })
    }

    /// One of the two commands with these flags.
    pub fn command(&self, container: &Container, command: &str, flags: &[&str]) -> Result<Output> {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.directory.display());
        criu::invocation(container, command, &container.path("images"), flags).env("PATH", path).output()
    }

    /// What it was asked: the fields of `criu_opts`.
    pub fn options(&self) -> Result<Fields> {
        let request = fs::read(self.directory.join("request")).context("no request came")?;
        let fields = Fields::read(&request)?;
        Fields::read(fields.bytes(2).context("a request without options")?)
    }
}

/// The fields of a protobuf message (protobuf.dev/programming-guides/encoding).
pub struct Fields(Vec<(u64, Value)>);

#[derive(Clone, PartialEq)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Fields {
    fn read(mut bytes: &[u8]) -> Result<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let value = match key & 7 {
                0 => Value::Number(varint(&mut bytes)?),
                2 => {
                    let length = varint(&mut bytes)? as usize;
                    let (value, rest) = bytes.split_at_checked(length).context("cut short")?;
                    bytes = rest;
                    Value::Bytes(value.to_vec())
                }
                other => anyhow::bail!("wire type {other}"),
            };
            fields.push((key >> 3, value));
        }
        Ok(Self(fields))
    }

    fn bytes(&self, number: u64) -> Option<&[u8]> {
        self.0.iter().find_map(|(tag, value)| match value {
            Value::Bytes(bytes) if *tag == number => Some(bytes.as_slice()),
            _ => None,
        })
    }

    pub fn text(&self, number: u64) -> Option<String> {
        self.bytes(number).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub fn number(&self, number: u64) -> Option<u64> {
        self.0.iter().find_map(|(tag, value)| match value {
            Value::Number(value) if *tag == number => Some(*value),
            _ => None,
        })
    }

    pub fn message(&self, number: u64) -> Result<Self> {
        Self::read(self.bytes(number).with_context(|| format!("no field {number}"))?)
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().context("cut short")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    anyhow::bail!("a number without end")
}
