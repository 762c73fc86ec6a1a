//! Network interfaces of the host that the container gets (config-linux.md#network-devices): moved by the parent,
//! with their addresses, and given back if the container comes to nothing.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::fail;
use crate::linux::netlink::{Address, Link, Route};
use crate::linux::procfs::Proc;
use crate::plan::NetDevice;
use crate::report::{Code, Context as _, Result, log};

/// Interfaces that are in the container by now.
#[derive(Default)]
pub struct NetDevices {
    namespaces: Option<Namespaces>,
    moved: Vec<Moved>,
}

/// The two sides.
struct Namespaces {
    own: OwnedFd,
    here: Route,
    container: OwnedFd,
    there: Route,
}

struct Moved {
    /// As it was on the host.
    link: Link,
    addresses: Vec<Address>,
    /// Its index in the container.
    index: u32,
}

impl NetDevices {
    /// Moves all of them to the network namespace that init is in.
    ///
    /// # Errors
    /// An interface that is not there, or whose new name is taken, by its place in config.json. Those that were
    /// moved before are on record for `give_back`.
    pub fn move_all(&mut self, devices: &[NetDevice], proc: &Proc, init: Pid) -> Result<()> {
        if devices.is_empty() {
            return Ok(());
        }
        let own = proc.open_own_namespace("net").context("open our own network namespace")?;
        let container = proc.open_namespace(init, "net").context("open the container's network namespace")?;
        let here = Route::open().context("open a netlink socket")?;
        let there = Route::open_in(container.as_fd(), own.as_fd())
            .context("open a netlink socket in the container's network namespace")?;
        let namespaces = self.namespaces.insert(Namespaces { own, here, container, there });
        for device in devices {
            namespaces
                .take(device, &mut self.moved)
                .with_context(|| format!("move network device {:?} to the container", device.name))
                .at(&device.pointer)?;
        }
        Ok(())
    }

    /// Back to the host, as they were. What cannot be given back is said, for the first error is the caller's.
    pub fn give_back(&mut self) {
        let Some(namespaces) = &self.namespaces else { return };
        for moved in self.moved.drain(..).rev() {
            if let Err(error) = namespaces.give_back(&moved) {
                log::warn(format!("network device {:?} is not given back: {error}", moved.link.name));
            }
        }
    }
}

impl Namespaces {
    fn take(&self, device: &NetDevice, moved: &mut Vec<Moved>) -> Result<()> {
        let link = self.here.link(&device.name).context("look for it on the host")?;
        let addresses = self.here.addresses(link.index).context("read its addresses")?;
        let addresses: Vec<Address> = addresses.into_iter().filter(Address::is_kept_by_a_move).collect();
        let before = self.there.links().context("list the container's network devices")?;

        // The kernel takes the addresses from an interface that goes down; nobody is to see it half moved.
        self.here.set_up(link.index, false).context("set it down")?;
        if let Err(errno) = self.here.move_link(link.index, &device.new_name, self.container.as_fd()) {
            restore(&self.here, link.index, &addresses, link.up).context("set it up again")?;
            return Err(errno).with_context(|| match errno {
                Errno::EEXIST => format!("the container has a network device {:?} already", device.new_name),
                _ => format!("move it as {:?}", device.new_name),
            });
        }
        // A name with %d is the kernel's to complete: the one that was not there before is ours.
        let is_ours = |it: &Link| match device.new_name.split_once("%d") {
            Some((prefix, _)) => {
                it.name.starts_with(prefix) && before.iter().all(|old| old.index != it.index)
            }
            None => it.name == device.new_name,
        };
        let found = self.there.links().context("list the container's network devices")?;
        let Some(index) = found.iter().find(|it| is_ours(it)).map(|it| it.index) else {
            fail!(Code::System, "it has not arrived");
        };
        moved.push(Moved { link, addresses, index });
        let addresses = moved.last().map(|moved| moved.addresses.as_slice()).unwrap_or_default();
        restore(&self.there, index, addresses, true)
    }

    fn give_back(&self, moved: &Moved) -> Result<()> {
        self.there.set_up(moved.index, false).context("set it down")?;
        self.there.move_link(moved.index, &moved.link.name, self.own.as_fd()).context("move it")?;
        let link = self.here.link(&moved.link.name).context("look for it on the host")?;
        restore(&self.here, link.index, &moved.addresses, moved.link.up)
    }
}

fn restore(route: &Route, index: u32, addresses: &[Address], up: bool) -> Result<()> {
    for address in addresses {
        match route.add_address(index, address) {
            // IPv4 addresses outlive a set-down.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno).context("give it its addresses"),
        }
    }
    if up {
        route.set_up(index, true).context("set it up")?;
    }
    Ok(())
}
