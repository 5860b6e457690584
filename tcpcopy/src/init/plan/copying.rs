//! The host of tcpcopy: the online host, or any host with a capture file.

use super::super::mode::{Mode, Way};
use super::super::setup::Setup;
use super::answering::{directory, end, needs};
use super::command_lines::{self, CONFIG, DIRECTORY, KEY, file, has_passwords, in_brackets};
use super::section::Section;
use super::words::Words;

/// What sets it up, and then shows whether it works.
pub(super) fn set_up(setup: &Setup) -> Vec<Section> {
    let mut sections = vec![prepare(setup)];
    if setup.choice.mode == Mode::Offline {
        sections.push(replay(setup));
    } else {
        sections.extend([copy(setup), check(setup), doctor(setup)]);
    }
    sections
}

/// What undoes it.
pub(super) fn undo(setup: &Setup) -> Section {
    let mut section = Section::new(format!("stop and undo on {}", host(setup)));
    if setup.choice.mode != Mode::Offline {
        section = section.run(
            "tcpcopy closes the copies and writes its report, whose first line says whether it worked.",
            format!("{}; tail -n 40 {}", end("tcpcopy"), file("tcpcopy", "log")),
        );
    }
    let files = Words::new(&["rm", "-rf", DIRECTORY, KEY]);
    if has_passwords(setup) {
        section.run("Its files, the key and the passwords.", files.and(&[CONFIG]))
    } else {
        section.run("Its files and the key.", files)
    }
}

fn host(setup: &Setup) -> String {
    match (setup.choice.mode, setup.online) {
        (Mode::Offline, _) => "the host with the capture file".to_owned(),
        (_, Some(online)) => format!("the online host ({online})"),
        (_, None) => "the online host".to_owned(),
    }
}

fn prepare(setup: &Setup) -> Section {
    let key_host = match setup.choice.way {
        Way::Routes(assistant) => assistant,
        Way::Tunnel => setup.test.ip,
    };
    let section = Section::new(format!("prepare {}", host(setup)));
    let section = needs(section, "tcpcopy", "tcpcopy");
    let section = match setup.choice.mode {
        Mode::Offline => section, // It writes to the terminal.
        _ => section.run("What tcpcopy writes belongs to the user that it becomes.", directory()),
    };
    let key = Words::new(&["scp", "-p", &format!("{}:{KEY}", in_brackets(key_host)), KEY]);
    let section =
        section.run("The key, by this or another secret way. It must belong to root, mode 600.", key);
    match setup.protocol.name() {
        "mysql" => section.run(passwords("MYSQL"), config("mysql")),
        "postgres" => section.run(passwords("POSTGRES"), config("postgres")),
        "redis" => section.note("If the passwords of the test server differ: docs/REDIS.md, \"Passwords\"."),
        _ => section,
    }
}

fn passwords(manual: &str) -> String {
    format!(
        "Passwords of the test server. After this block, replace PASSWORD in {CONFIG}.\n\
         An existing file stays. docs/{manual}.md has all settings."
    )
}

/// The skeleton of the `--config` file.
fn config(table: &str) -> String {
    format!(
        "[ -e {CONFIG} ] || cat >{CONFIG} <<'END'\n\
         [{table}.users]\n\
         # app = \"PASSWORD\"    # of one user\n\
         \"*\" = \"PASSWORD\"      # of all others\n\
         \n\
         # [{table}.default]     # sessions that are older than tcpcopy\n\
         # user = \"app\"\n\
         # database = \"shop\"\n\
         END\n\
         chmod 600 {CONFIG}"
    )
}

fn copy(setup: &Setup) -> Section {
    let section = Section::new(format!("start on {}", host(setup)));
    let interfaces = match setup.interface {
        Some(_) => "",
        None => " It captures on all interfaces; -i NAME limits it to one.",
    };
    section.run(format!("Start the copy.{interfaces}"), command_lines::tcpcopy(setup))
}

fn replay(setup: &Setup) -> Section {
    Section::new(format!("start on {}", host(setup))).run(
        "Replay the file at the pace of the capture; -a 10 is ten times as fast. It ends with a report:\n\
         the first line says whether it worked, the last one what was in the way.",
        command_lines::replay(setup),
    )
}

fn check(setup: &Setup) -> Section {
    let log = file("tcpcopy", "log");
    let pid = file("tcpcopy", "pid");
    Section::new(format!("see whether it works, on {}", host(setup)))
        .run(
            "The share of the clients' payload that was replayed, once clients have used the service.",
            format!("kill -USR1 \"$(cat {pid})\"; sleep 1; grep 'report] ' {log} | tail -n 1"),
        )
        .run("All counters, which tcpcopy writes every second.", format!("cat {}", file("tcpcopy", "json")))
}

fn doctor(setup: &Setup) -> Section {
    Section::new(format!("if it does not work, on {}", host(setup)))
        .run(
            "What tcpcopy has found, with commands and hints.",
            format!("grep -E 'WARN|hint:' {}", file("tcpcopy", "log")),
        )
        .run(
            "The way of the packets, hop by hop; the first cross has the cure.",
            command_lines::doctor(setup),
        )
}
