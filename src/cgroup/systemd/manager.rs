//! Conversations with systemd's manager (org.freedesktop.systemd1(5)): units started, set and stopped.
//!
//! Every one has a deadline, and an error names the unit and what was asked.

use std::cell::OnceCell;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use super::bus::{Address, Answer, Bus, Call, Deadline, Failure, Signal, Type, Value};
use super::unit::{Instance, Unit};
use crate::report::{Code, Context, Error, Result, log};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a job may take: runc's number.
const JOB: Duration = Duration::from_secs(30);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";

const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// One property of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    pub name: String,
    pub value: Value,
}

impl Property {
    pub fn new(name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), value }
    }
}

/// What came of a start.
#[derive(Debug, PartialEq, Eq)]
pub enum Started {
    Yes,
    /// Another has the name: the unit is not ours, and must be left alone.
    NameTaken,
}

/// A systemd that can be talked to.
#[derive(Debug)]
pub struct Systemd {
    bus: Bus,
    /// Its connection's name on the bus; none where no bus is in between.
    name: Option<String>,
    version: OnceCell<u32>,
}

impl Systemd {
    /// Connects to the system's or the user's systemd: by the bus, or, where there is no bus (any more), at its own
    /// socket.
    pub fn connect(instance: Instance) -> Result<Self> {
        let places = places(instance)?;
        let mut first = None;
        for (address, direct) in &places {
            match Self::connect_to(address, *direct) {
                Ok(systemd) => return Ok(systemd),
                Err(error) => {
                    let absent = matches!(error.errno(), Some(Errno::ENOENT | Errno::ECONNREFUSED));
                    let first = first.get_or_insert(error);
                    if !absent {
                        break;
                    }
                    log::debug(format!("{first}"));
                }
            }
        }
        let error = first.unwrap_or_else(|| Error::new(Code::Cgroup, "no bus is known"));
        let hint = match instance {
            Instance::System => "is systemd this machine's init? If not, leave --systemd-cgroup out",
            Instance::User => {
                "for rootless containers, maybe you need to install dbus-user-session package, and a session \
                 with DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR"
            }
        };
        Err(error.context("failed to connect to dbus").hint(hint))
    }

    fn connect_to(address: &Address, direct: bool) -> Result<Self> {
        let deadline = Deadline::within(ANSWER);
        let mut bus = Bus::connect(address, deadline)?;
        if !direct {
            bus.call(&of_bus("Hello", vec![]), deadline)?;
            let rule = format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'");
            bus.call(&of_bus("AddMatch", vec![Value::Text(rule)]), deadline)?;
        }
        let mut systemd = Self { bus, name: None, version: OnceCell::new() };
        systemd.ask("Subscribe", vec![])?;
        if !direct {
            systemd.name = Some(systemd.bus.answered_by().unwrap_or_default().to_owned());
        }
        Ok(systemd)
    }

    /// On a bus that was connected in another way.
    #[cfg(any(test, fuzzing))]
    pub fn over(bus: Bus, name: Option<&str>) -> Self {
        Self { bus, name: name.map(str::to_owned), version: OnceCell::new() }
    }

    fn ask(&mut self, member: &'static str, body: Vec<Value>) -> Answer<Vec<Value>> {
        let call = Call { destination: SYSTEMD, path: SYSTEMD_PATH.into(), interface: MANAGER, member, body };
        let body = self.bus.call(&call, Deadline::within(ANSWER))?;
        body.values().map_err(|_| nonsense(member))
    }

    fn manager_property(&mut self, name: &'static str) -> Result<String> {
        let body = vec![Value::text(MANAGER), Value::text(name)];
        let call = Call {
            destination: SYSTEMD,
            path: SYSTEMD_PATH.into(),
            interface: PROPERTIES,
            member: "Get",
            body,
        };
        let read = || format!("read systemd's {name}");
        let answer =
            self.bus.call(&call, Deadline::within(ANSWER)).map_err(Error::from).with_context(read)?;
        match answer.values().as_deref() {
            Ok([Value::Variant(value)]) if value.as_text().is_some() => {
                Ok(value.as_text().unwrap_or_default().to_owned())
            }
            _ => Err(nonsense(name).into()),
        }
    }

    /// systemd's version: what it can be asked for depends on it.
    pub fn version(&mut self) -> Result<u32> {
        if let Some(known) = self.version.get() {
            return Ok(*known);
        }
        let text = self.manager_property("Version")?;
        let Some(version) = parse_version(&text) else {
            return Err(Error::new(Code::Cgroup, format!("systemd's version makes no sense: {text:?}")));
        };
        Ok(*self.version.get_or_init(|| version))
    }

    /// The cgroup below which this systemd has its units: `/` for the system's.
    pub fn control_group(&mut self) -> Result<PathBuf> {
        self.manager_property("ControlGroup").map(PathBuf::from)
    }

    /// Starts a transient unit and waits until it is there.
    ///
    /// # Errors
    /// What systemd refuses, a job that does not end in `done`, or not in time.
    pub fn start(&mut self, unit: &Unit, properties: &[Property]) -> Result<Started> {
        let starting = || format!("unable to start unit {:?}", unit.name);
        let body = start_body(unit, properties);
        let mut answer = self.ask("StartTransientUnit", body.clone());
        if answer.as_ref().is_err_and(|failure| failure.is(UNIT_EXISTS)) {
            // A unit that has failed keeps its name until somebody has taken note.
            self.reset_failed(unit);
            answer = self.ask("StartTransientUnit", body);
        }
        let answer = match answer {
            Err(failure) if failure.is(UNIT_EXISTS) => return Ok(Started::NameTaken),
            answer => answer.map_err(Error::from).with_context(starting)?,
        };
        let waited =
            self.wait_for_job(&answer, &format!("Timeout waiting for systemd to create {}", unit.name));
        match waited.with_context(starting)?.as_str() {
            "done" => Ok(Started::Yes),
            other => {
                self.reset_failed(unit);
                let text = format!("error creating systemd unit `{}`: got `{other}`", unit.name);
                Err(Error::new(Code::Cgroup, text))
            }
        }
    }

    /// Sets properties of a unit until the next boot.
    pub fn set(&mut self, unit: &Unit, properties: &[Property]) -> Result<()> {
        let body = vec![Value::text(&unit.name), Value::Bool(true), pairs(properties)];
        let setting = || format!("unable to set unit properties of {:?}", unit.name);
        self.ask("SetUnitProperties", body).map_err(Error::from).with_context(setting)?;
        Ok(())
    }

    /// Stops a unit and waits until it is gone, then forgets its failure. One that does not exist is fine.
    pub fn stop(&mut self, unit: &Unit) -> Result<()> {
        let stopping = || format!("unable to stop unit {:?}", unit.name);
        let answer = match self.ask("StopUnit", vec![Value::text(&unit.name), Value::text("replace")]) {
            Err(failure) if failure.is(NO_SUCH_UNIT) => return Ok(()),
            answer => answer.map_err(Error::from).with_context(stopping)?,
        };
        let overdue = format!("Timed out while waiting for systemd to remove {}", unit.name);
        let result = self.wait_for_job(&answer, &overdue).with_context(stopping)?;
        if result != "done" {
            log::warn(format!("error removing unit `{}`: got `{result}`. Continuing...", unit.name));
        }
        self.reset_failed(unit);
        Ok(())
    }

    /// Whether systemd knows the unit.
    pub fn knows(&mut self, unit: &Unit) -> Result<bool> {
        match self.ask("GetUnit", vec![Value::text(&unit.name)]) {
            Ok(_) => Ok(true),
            Err(failure) if failure.is(NO_SUCH_UNIT) => Ok(false),
            Err(failure) => Err(Error::from(failure).context(format!("look for unit {:?}", unit.name))),
        }
    }

    /// Puts a process into a unit's cgroup, or below it: what a user may not do by hand across the cgroups of
    /// a session, systemd does.
    pub fn attach(&mut self, unit: &Unit, below: &Path, pid: u32) -> Result<()> {
        let below = format!("/{}", below.display());
        let body = vec![
            Value::text(&unit.name),
            Value::Text(below),
            Value::Array(Type::Basic(b'u'), vec![Value::U32(pid)]),
        ];
        let attaching = || format!("unable to attach process {pid} to unit {:?}", unit.name);
        self.ask("AttachProcessesToUnit", body).map_err(Error::from).with_context(attaching)?;
        Ok(())
    }

    /// There is nothing to reset more often than not, and systemd says so by an error.
    fn reset_failed(&mut self, unit: &Unit) {
        if let Err(failure) = self.ask("ResetFailedUnit", vec![Value::text(&unit.name)])
            && !failure.is(NO_SUCH_UNIT)
        {
            log::debug(format!("reset failed unit {:?}: {}", unit.name, Error::from(failure)));
        }
    }

    /// The result of the job that an answer names.
    fn wait_for_job(&mut self, answer: &[Value], overdue: &str) -> Result<String> {
        let Some(job) = answer.first().and_then(Value::as_text) else { return Err(nonsense("a job").into()) };
        let deadline = Deadline::within(JOB);
        loop {
            let signal = self.bus.next_signal(deadline, overdue).map_err(Error::from)?;
            let Some(result) = result_of(job, &signal) else { continue };
            if self.has_sent(&signal)? {
                return Ok(result);
            }
            log::debug(format!("{:?} says that {job} has ended, and is not systemd", signal.sender));
        }
    }

    /// Anyone on the bus may send us what looks like a signal of systemd's; whose it is, the bus says. A systemd that
    /// has executed itself anew since has another name there.
    fn has_sent(&mut self, signal: &Signal) -> Result<bool> {
        if self.name.is_none() || self.name == signal.sender {
            return Ok(true);
        }
        let call = of_bus("GetNameOwner", vec![Value::text(SYSTEMD)]);
        let answer = self.bus.call(&call, Deadline::within(ANSWER))?;
        let values = answer.values().map_err(|_| nonsense("GetNameOwner"))?;
        self.name = Some(values.first().and_then(Value::as_text).unwrap_or_default().to_owned());
        Ok(self.name == signal.sender)
    }
}

/// What is asked of the bus itself.
fn of_bus(member: &'static str, body: Vec<Value>) -> Call {
    Call { destination: BUS, path: "/org/freedesktop/DBus".into(), interface: BUS, member, body }
}

/// JobRemoved has the job's number, its path, its unit and its result.
fn result_of(job: &str, signal: &Signal) -> Option<String> {
    if signal.interface != MANAGER || signal.member != "JobRemoved" {
        return None;
    }
    match &signal.body.values().ok()?[..] {
        [_, path, _, result] if path.as_text() == Some(job) => result.as_text().map(str::to_owned),
        _ => None,
    }
}

/// StartTransientUnit: name, mode, properties, other units to start with it.
fn start_body(unit: &Unit, properties: &[Property]) -> Vec<Value> {
    let pair = Type::Struct(vec![Type::TEXT, Type::Variant]);
    let other = Type::Struct(vec![Type::TEXT, Type::array(pair)]);
    vec![Value::text(&unit.name), Value::text("replace"), pairs(properties), Value::Array(other, vec![])]
}

fn pairs(properties: &[Property]) -> Value {
    let pair = |property: &Property| {
        Value::Struct(vec![Value::text(&property.name), Value::Variant(Box::new(property.value.clone()))])
    };
    let kind = Type::Struct(vec![Type::TEXT, Type::Variant]);
    Value::Array(kind, properties.iter().map(pair).collect())
}

fn nonsense(what: &str) -> Failure {
    Failure::Broken(Error::new(Code::Cgroup, format!("systemd's answer makes no sense: {what}")))
}

/// `257.9-1`, `v245.4-1.fc32`
fn parse_version(text: &str) -> Option<u32> {
    let text = text.trim_start_matches('v');
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

/// Where a systemd can be reached; true where that is its own socket, on which no bus is in between.
fn places(instance: Instance) -> Result<Vec<(Address, bool)>> {
    let (variable, bus, own) = match instance {
        Instance::System => (
            "DBUS_SYSTEM_BUS_ADDRESS",
            Some("/run/dbus/system_bus_socket".into()),
            Some("/run/systemd/private".into()),
        ),
        Instance::User => {
            let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
            let below = |name: &str| runtime.as_ref().map(|runtime| runtime.join(name));
            ("DBUS_SESSION_BUS_ADDRESS", below("bus"), below("systemd/private"))
        }
    };
    let mut places = Vec::new();
    match env::var(variable).ok().filter(|value| !value.is_empty()) {
        Some(list) => match Address::parse(&list) {
            Some(address) => places.push((address, false)),
            None => {
                return Err(Error::new(Code::Cgroup, format!("${variable} names no unix socket: {list:?}")));
            }
        },
        None => places.extend(bus.map(|path| (Address::Path(path), false))),
    }
    places.extend(own.map(|path: PathBuf| (Address::Path(path), true)));
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::super::bus::testing;
    use super::*;

    #[test]
    fn a_version_is_its_first_number() {
        for (text, version) in
            [("257.9-1~deb13u1", Some(257)), ("v245.4-1.fc32", Some(245)), ("245", Some(245)), ("x", None)]
        {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }

    #[test]
    fn a_start_is_one_message_with_properties_as_pairs() {
        let unit = Unit::of(Some("a.slice:p:n"), "x", Instance::System).unwrap();
        let body = start_body(&unit, &[Property::new("Delegate", Value::Bool(true))]);
        let signature: String = body.iter().map(|value| value.kind().to_string()).collect();
        assert_eq!(signature, "ssa(sv)a(sa(sv))");
        assert_eq!(body[..2], [Value::text("p-n.scope"), Value::text("replace")]);
        let pair = Value::Struct(vec![Value::text("Delegate"), Value::Variant(Box::new(Value::Bool(true)))]);
        assert!(matches!(&body[2], Value::Array(_, pairs) if pairs == &[pair]));
    }

    /// systemd's answer to a start, and what came of it in the words of each sender.
    fn started(said: &[(&str, &str, &str)], owner: &str) -> Result<Started> {
        let unit = Unit::of(Some("a.slice:p:n"), "x", Instance::System).unwrap();
        let mut bytes = Vec::new();
        for (sender, job, result) in said {
            let unit = Value::text("p-n.scope");
            let body = [Value::U32(1), Value::Path((*job).into()), unit, Value::text(*result)];
            bytes.extend(testing::signal(sender, "JobNew", &body));
            bytes.extend(testing::signal(sender, "JobRemoved", &body));
        }
        bytes.extend(testing::reply(1, &[Value::Path("/job/1".into())]));
        for call in 2..8 {
            bytes.extend(testing::reply(call, &[Value::text(owner)]));
        }
        let (bus, _other_side) = Bus::that_says(&bytes).unwrap();
        Systemd::over(bus, Some(":1.5")).start(&unit, &[])
    }

    #[test]
    fn only_the_job_that_was_asked_for_is_waited_for() {
        let said = [(":1.5", "/job/2", "failed"), (":1.5", "/job/1", "done")];
        assert_eq!(started(&said, ":1.5").unwrap(), Started::Yes);
    }

    #[test]
    fn what_another_says_of_a_job_is_not_believed() {
        let said = [(":1.66", "/job/1", "done"), (":1.5", "/job/1", "failed")];
        let error = started(&said, ":1.5").unwrap_err().to_string();
        assert_eq!(error, "error creating systemd unit `p-n.scope`: got `failed`");
    }

    #[test]
    fn a_systemd_that_has_executed_itself_anew_is_believed_under_its_new_name() {
        assert_eq!(started(&[(":1.9", "/job/1", "done")], ":1.9").unwrap(), Started::Yes);
    }
}
