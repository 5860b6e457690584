//! The hosts that answer: the test host and the assistant.

use std::net::IpAddr;

use super::super::mode::Way;
use super::super::setup::Setup;
use super::command_lines::{self, DIRECTORY, KEY, NET_V6, file};
use super::section::Section;
use super::words::Words;

/// The nftables table of a forwarding assistant.
const TABLE: &str = "tcpcopy_init";

/// intercept's port.
const CONTROL_PORT: u16 = common_core::control::DEFAULT_PORT;

/// What sets these hosts up, in order.
pub(super) fn set_up(setup: &Setup) -> Vec<Section> {
    match setup.choice.way {
        Way::Routes(assistant) => vec![routes(setup, assistant), capture(setup, assistant)],
        Way::Tunnel => vec![tunnel(setup)],
    }
}

/// What undoes it.
pub(super) fn undo(setup: &Setup) -> Vec<Section> {
    let test = Section::new(format!("stop and undo on the test host ({})", setup.test.ip));
    match setup.choice.way {
        Way::Routes(assistant) => {
            let section = Section::new(format!("stop and undo on the assistant ({assistant})"));
            let section = stop(section).run(
                "The rule of a forwarding host, if it was needed.",
                format!("nft delete table inet {TABLE} 2>/dev/null || true"),
            );
            let routes = Words::new(&["route-setup", "del"]).flag("--port", setup.test.port);
            vec![section, test.run("Answers take their usual way again.", routes)]
        }
        Way::Tunnel => vec![stop(test)],
    }
}

fn routes(setup: &Setup, assistant: IpAddr) -> Section {
    let section = Section::new(format!("set up the test host ({})", setup.test.ip));
    let command =
        Words::new(&["route-setup", "add"]).flag("--port", setup.test.port).flag("--via", assistant);
    let section = service(section, setup, "the clients' addresses");
    needs(section, "route-setup (scripts/route-setup)", "route-setup").run(
        "Answers of the service go to the assistant. Until that is undone, no other host can use the service.\n\
         --except HOST exempts a host.",
        command,
    )
}

fn capture(setup: &Setup, assistant: IpAddr) -> Section {
    let section = Section::new(format!("set up the assistant ({assistant})"));
    let (family, address) = if setup.test.ip.is_ipv4() { ("ipv4", "ip") } else { ("ipv6", "ip6") };
    let rule = format!(
        "table inet {TABLE} {{ chain forward {{ type filter hook forward priority 0; {address} saddr {} tcp sport {} drop; }}; }}",
        setup.test.ip, setup.test.port
    );
    let section = with_key(needs(section, "intercept", "intercept"))
        .run(
            "If this host forwards packets, it must not forward the answers to the real clients.",
            // A setting would change more than that, and might be needed by others (Docker).
            format!("if grep -qs 1 /proc/sys/net/{family}/conf/*/forwarding; then nft '{rule}'; fi"),
        )
        .note(format!("The firewall must admit the host of tcpcopy to TCP port {CONTROL_PORT}."));
    section.run("Capture the answers.", command_lines::intercept(setup))
}

fn tunnel(setup: &Setup) -> Section {
    let section = Section::new(format!("set up the test host ({})", setup.test.ip));
    let net = if setup.test.ip.is_ipv6() { NET_V6 } else { "198.18.0.0/15" };
    let section = service(section, setup, net);
    with_key(needs(section, "intercept", "intercept"))
        .run(
            "The device of the copies. In a container: --device /dev/net/tun --cap-add NET_ADMIN.",
            "[ -c /dev/net/tun ] || modprobe tun",
        )
        .note(format!(
            "The firewall must admit the host of tcpcopy to TCP port {CONTROL_PORT}, and the copies to the service, for instance:\n\
             nft insert rule inet filter input iifname tcpcopy0 accept"
        ))
        .run(
            format!("Take the copies, and pass them to the service from addresses of {net}."),
            command_lines::intercept(setup),
        )
}

/// What the service itself must admit.
fn service(section: Section, setup: &Setup, clients: &str) -> Section {
    let who =
        if command_lines::has_passwords(setup) { "have the users of the online service, and " } else { "" };
    section.note(format!("The service must {who}accept connections from {clients}."))
}

/// The programs of the host.
pub(super) fn needs(section: Section, names: &str, program: &str) -> Section {
    section.run(
        format!("This host needs {names} in a directory of PATH; README.md says how to build and copy it."),
        format!("command -v {program}"),
    )
}

fn with_key(section: Section) -> Section {
    section.run("What the daemon writes belongs to the user that it becomes.", directory()).run(
        "The key of both programs; an existing one stays.",
        format!("[ -e {KEY} ] || intercept --new-key {KEY} >/dev/null"),
    )
}

/// Makes the directory of a daemon.
pub(super) fn directory() -> Words {
    Words::new(&["install", "-d", "-o", "nobody", "-m", "700", DIRECTORY])
}

fn stop(section: Section) -> Section {
    section
        .run("intercept ends. In agent mode its device is then gone, too.", end("intercept"))
        .run("Its files and the key.", Words::new(&["rm", "-rf", DIRECTORY, KEY]))
}

/// Ends a daemon, and waits for its end: its PID file is then empty or gone.
pub(super) fn end(program: &str) -> String {
    let pid = file(program, "pid");
    format!("kill \"$(cat {pid})\" && timeout 20 sh -c 'while [ -s {pid} ]; do sleep 0.2; done'; sleep 1")
}
