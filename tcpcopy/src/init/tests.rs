//! From answers to the plan: what is asked, what is refused, and that every printed command line is one.

use std::ffi::OsString;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Parser;
use common_os::command_line::Invocation;
use proptest::prelude::*;

use super::args::Given;
use super::dialogue::Dialogue;
use super::error::InitError;
use super::{plan, setup};

const CLASSIC: [&str; 8] =
    ["--online", "10.0.0.16", "--port", "80", "--test", "10.0.0.17", "--assistant", "10.0.0.18"];
const AGENT: [&str; 6] = ["--online", "10.0.0.16", "--port", "80", "--test", "10.0.0.17:8080"];

fn given(line: &[&str]) -> Given {
    Given::try_parse_from(["tcpcopy init"].iter().chain(line)).unwrap()
}

/// The plan without any question.
fn planned(line: &[&str]) -> Result<String, InitError> {
    setup::complete(given(line), &[], None).map(|setup| plan::text(&setup))
}

/// The plan after these answers, and what was asked.
fn asked(line: &[&str], answers: &str) -> (Result<String, InitError>, String) {
    let (mut input, mut output) = (answers.as_bytes(), Vec::new());
    let own: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "10.0.0.16".parse().unwrap()];
    let setup = setup::complete(given(line), &own, Some(&mut Dialogue::new(&mut input, &mut output)));
    (setup.map(|setup| plan::text(&setup)), String::from_utf8(output).unwrap())
}

/// The words of a command, of which the plan quotes some.
fn words(line: &str) -> Vec<OsString> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => is_quoted = !is_quoted,
            '\\' if !is_quoted => word.extend(characters.next()),
            ' ' if !is_quoted => words.push(OsString::from(std::mem::take(&mut word))),
            character => word.push(character),
        }
    }
    words.push(word.into());
    words
}

/// Parses every command line of both programs with the programs' own parsers. Returns how many there are.
fn parsed(plan: &str) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let (key, config) = (directory.path().join("key"), directory.path().join("config"));
    let new_key = [OsString::from("intercept"), "--new-key".into(), key.clone().into()];
    intercept::cli::parse(new_key).unwrap();
    if let Some((_, rest)) = plan.split_once("<<'END'\n") {
        write_private(&config, rest.split_once("END\n").unwrap().0);
    }
    let plan = plan
        .replace("/run/tcpcopy-init.key", key.to_str().unwrap())
        .replace("/run/tcpcopy-init.toml", config.to_str().unwrap());
    let mut count = 0;
    for line in plan.lines() {
        let mut words = words(line);
        if line.starts_with("tcpcopy ") {
            if words[1] == "doctor" {
                words.remove(1);
            }
            let parsed = crate::cli::parse(words);
            assert!(matches!(parsed, Ok(Invocation::Run(_))), "{line}: {:?}", parsed.err());
        } else if line.starts_with("intercept ") {
            let parsed = intercept::cli::parse(words);
            assert!(matches!(parsed, Ok(Invocation::Run(_))), "{line}: {:?}", parsed.err());
        } else {
            continue;
        }
        count += 1;
    }
    count
}

fn write_private(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A shell can read the plan.
fn is_script(plan: &str) {
    let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(plan.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "{plan}");
}

#[test]
fn help_is_as_expected() {
    let help = super::text(["-h".into()]).unwrap();
    assert_eq!(help, include_str!("../../tests/expected/init_help.txt"));
    assert!(help.lines().all(|line| line.len() <= 100));
}

#[test]
fn errors_of_the_parser_are_one_line() {
    for (line, part) in [
        (&["--nonsense"][..], "'--nonsense'"),
        (&["stray\n"], "'stray\\n'"),
        (&["--test", "10.0.0.17:0"], "'0' is no port"),
        (&["--online", "localhost"], "'localhost' is no IP address"),
        (&["--mode", "fast"], "'fast'"),
        (&["--port", "1", "--port", "2"], "multiple times"),
    ] {
        let error = super::text(line.iter().map(OsString::from)).unwrap_err().to_string();
        assert!(error.contains(part) && error.ends_with("; see tcpcopy init -h"), "{error}");
        assert!(!error.chars().any(char::is_control), "{error}");
    }
}

#[test]
fn all_command_lines_are_valid() {
    let with = |line: &[&'static str], more: &[&'static str]| [line, more].concat();
    let v6 = ["--online", "fd20::12", "--port", "5432", "--test", "[fd20::13]:5433"];
    let file = ["--capture-file", "it's monday.pcap", "--port", "3306", "--test", "10.0.0.17"];
    for (line, count) in [
        (CLASSIC.to_vec(), 3),
        (AGENT.to_vec(), 3),
        (with(&CLASSIC, &["--interface", "eth0", "--protocol", "mysql"]), 3),
        (with(&AGENT, &["--protocol", "redis"]), 3),
        (v6.to_vec(), 3),
        (with(&v6, &["--assistant", "fd20::14", "--protocol", "none"]), 3),
        (file.to_vec(), 2),
        (with(&file, &["--mode", "offline", "--online", "10.0.0.16", "--assistant", "10.0.0.18"]), 2),
        (with(&AGENT, &["--mode", "agent", "--protocol", "postgres"]), 3),
    ] {
        let plan = planned(&line).unwrap();
        assert_eq!(parsed(&plan), count, "{plan}");
        is_script(&plan);
    }
}

#[test]
fn classic_mode_routes_the_answers_and_undoes_it() {
    let plan = planned(&CLASSIC).unwrap();
    for part in [
        "# Mode: classic, because an assistant host",
        "\nroute-setup add --port 80 --via 10.0.0.18\n",
        "\nroute-setup del --port 80\n",
        "\nscp -p 10.0.0.18:/run/tcpcopy-init.key ",
        "ip saddr 10.0.0.17 tcp sport 80 drop",
        "intercept -b 10.0.0.18 --allow-target 10.0.0.17:80 --key-file ",
        "tcpcopy -x 80-10.0.0.17:80 -s 10.0.0.18 --key-file ",
        "tcpcopy doctor -x 80-10.0.0.17:80 -s 10.0.0.18 --key-file ",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
}

#[test]
fn agent_mode_has_no_routes() {
    let plan = planned(&AGENT).unwrap();
    assert!(plan.contains("# Mode: agent, because there is no assistant host"), "{plan}");
    assert!(plan.contains("intercept --tun -b 10.0.0.17 ") && plan.contains(" -s 10.0.0.17 --tunnel "));
    assert!(!plan.contains("route-setup") && !plan.contains("--net"), "{plan}");
    let v6 = planned(&["--online", "fd20::12", "--port", "80", "--test", "fd20::13"]).unwrap();
    assert!(v6.contains("--net fd00:1::/64") && v6.contains("-x '80-[fd20::13]:80' -s '[fd20::13]'"), "{v6}");
}

#[test]
fn a_protocol_with_passwords_has_a_private_file() {
    let line = ["--online", "10.0.0.16", "--port", "3307", "--test", "10.0.0.17"];
    let plan = planned(&[&line[..], &["--protocol", "mysql"]].concat()).unwrap();
    for part in ["[mysql.users]", "chmod 600 /run/tcpcopy-init.toml", "--protocol 3307=mysql --config"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let plain = planned(&line).unwrap();
    assert!(!plain.contains("--config") && !plain.contains("--protocol"), "{plain}");
}

#[test]
fn without_a_terminal_a_missing_answer_names_its_flag() {
    let line = ["--online", "10.0.0.16", "--port", "80", "--test", "10.0.0.17"];
    for (given, flag) in [
        (&line[..0], "--online IP is missing, the "),
        (&line[..2], "--port PORT is missing, the "),
        (&line[..4], "--test IP[:PORT] is missing, the "),
        (&["--mode", "offline"], "--capture-file FILE is missing, the "),
        (&[&line[..], &["--mode", "classic"]].concat(), "--assistant IP is missing, the "),
    ] {
        let error = planned(given).unwrap_err().to_string();
        assert!(error.starts_with(flag) && !error.contains('\n'), "{given:?}: {error}");
    }
}

#[test]
fn contradictions_are_refused() {
    for (more, part) in [
        (&["--test", "10.0.0.16"][..], "--test IP[:PORT]: 10.0.0.16 is the online host"),
        (&["--test", "fd20::1"], "two address families"),
        (&["--test", "10.0.0.17", "--assistant", "10.0.0.17"], "10.0.0.17 is the test host"),
        (&["--test", "10.0.0.17", "--assistant", "10.0.0.16"], "10.0.0.16 is the online host"),
        (&["--test", "10.0.0.17", "--assistant", "10.0.0.18", "--mode", "agent"], "--assistant: "),
        (&["--capture-file", "a.pcap", "--mode", "classic"], "--capture-file: "),
        (&["--capture-file", "a.pcap", "--interface", "eth0"], "--interface: "),
    ] {
        let line = [&["--online", "10.0.0.16", "--port", "80"], more].concat();
        let error = planned(&line).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{more:?}: {error}");
    }
}

#[test]
fn wrong_answers_are_asked_again_and_empty_ones_are_the_default() {
    let answers = "\n0\n3306\n10.0.0.16\nhost\n10.0.0.17\n\nmaybe\nno\n10.0.0.17\n10.0.0.18\n";
    let (plan, questions) = asked(&[], answers);
    let plan = plan.unwrap();
    assert!(plan.contains("tcpcopy -x 3306-10.0.0.17:3306 -s 10.0.0.18 --config "), "{plan}");
    for part in [
        "are copied [10.0.0.16]: ",
        "'0' is no port",
        "10.0.0.16 is the online host",
        "none [mysql]: ",
        "answer yes or no",
        "10.0.0.17 is the test host",
    ] {
        assert!(questions.contains(part), "{part}: {questions}");
    }
}

#[test]
fn only_what_matters_is_asked() {
    let (plan, questions) = asked(&AGENT, "\nyes\n");
    assert!(plan.unwrap().contains("# Mode: agent, because the network drops packets"));
    assert!(!questions.contains("Address"), "{questions}");
    let (plan, _) = asked(&AGENT, "\nno\n\n");
    assert!(plan.unwrap().contains("# Mode: agent, because there is no assistant host"));
    let (plan, questions) = asked(&CLASSIC, "\n\n");
    assert!(plan.unwrap().contains("# Mode: classic") && !questions.contains("Address"), "{questions}");
}

#[test]
fn the_end_of_the_input_ends_the_questions() {
    for answers in ["", "10.0.0.16\n", "10.0.0.16\nx\n", "10.0.0.16\n80\n10.0.0.17\n\nno\n"] {
        let (plan, _) = asked(&[], answers);
        assert!(matches!(plan, Err(InitError::InputEnded)), "{answers:?}");
    }
}

proptest! {
    #[test]
    fn any_words_are_a_plan_or_one_line(words in prop::collection::vec(any::<String>(), 0..4)) {
        let words = words.into_iter().chain(["--yes".to_owned()]).map(OsString::from);
        if let Err(error) = super::text(words) {
            prop_assert!(!error.to_string().chars().any(char::is_control), "{}", error);
        }
    }

    #[test]
    fn any_name_of_a_file_reaches_tcpcopy_as_it_is(name in "[^\\-\\pC]\\PC{0,20}|[ '\"$`\\\\;&|<>*]{1,9}") {
        let line = ["--capture-file", &name, "--port", "80", "--test", "10.0.0.17"];
        let plan = planned(&line).unwrap();
        let replay = plan.lines().find(|line| line.starts_with("tcpcopy ")).unwrap();
        prop_assert_eq!(words(replay).pop(), Some(OsString::from(&name)));
        is_script(&plan);
    }
}
