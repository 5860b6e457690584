//! Everything that the plan needs: from the flags, the rest from the user.

use std::net::IpAddr;

use common_core::flow::Endpoint;

use super::answers::{self, Protocol, TestHost};
use super::args::Given;
use super::dialogue::{Dialogue, Question};
use super::error::InitError;
use super::mode::{Choice, Circumstances, Mode};
use crate::cli::address;

/// A set-up that can work.
#[derive(Debug)]
pub(super) struct Setup {
    /// The online host. A capture file may do without.
    pub(super) online: Option<IpAddr>,
    /// The service's port there.
    pub(super) port: u16,
    /// The service on the test host.
    pub(super) test: Endpoint,
    pub(super) protocol: Protocol,
    pub(super) interface: Option<String>,
    pub(super) capture_file: Option<String>,
    pub(super) choice: Choice,
}

/// Takes what is given, and asks for the rest if there is somebody to ask. `own` are this host's addresses, of which the online
/// host's is guessed.
///
/// # Errors
/// An answer that is missing, or that contradicts another one.
pub(super) fn complete(
    given: Given,
    own: &[IpAddr],
    dialogue: Option<&mut Dialogue<'_>>,
) -> Result<Setup, InitError> {
    let mut circumstances = Circumstances {
        wanted: given.mode,
        has_file: given.capture_file.is_some(),
        checks_sources: false,
        assistant: given.assistant,
    };
    if let Some((flag, problem)) = circumstances.contradiction() {
        return Err(InitError::Refused { flag, problem: problem.to_owned() });
    }
    let mut missing = Missing(dialogue);
    let capture_file = match (given.capture_file, given.mode) {
        (None, Some(Mode::Offline)) => {
            Some(missing.get(None, capture_file_question(), answers::capture_file, |_| Ok(()))?)
        }
        (file, _) => file,
    };
    circumstances.has_file = capture_file.is_some();
    if circumstances.has_file && given.interface.is_some() {
        let problem = "a capture file has no interface; leave out one of the two".to_owned();
        return Err(InitError::Refused { flag: "--interface", problem });
    }
    let online = match given.online {
        // The file itself says where clients connect to.
        None if circumstances.has_file => None,
        online => Some(missing.get(online, online_question(own), answers::host, |_| Ok(()))?),
    };
    let port = missing.get(given.port, PORT, address::port, |_| Ok(()))?;
    let mut hosts: Vec<(&str, IpAddr)> = online.map(|ip| ("online", ip)).into_iter().collect();
    let differs = |test: &TestHost| answers::differs(test.ip, &hosts);
    let test = missing.get(given.test, TEST, answers::test_host, differs)?;
    hosts.push(("test", test.ip));
    let protocol = given.protocol.map_or_else(|| missing.protocol(port), Ok)?;
    circumstances.checks_sources = given.mode.is_none() && missing.checks_sources()?;
    let is_assisted = !circumstances.checks_sources && given.mode != Some(Mode::Agent);
    circumstances.assistant = match given.assistant {
        None if !is_assisted => None,
        assistant => missing.assistant(assistant, given.mode, &hosts)?,
    };
    let test = Endpoint::new(test.ip, test.port.unwrap_or(port));
    let choice = circumstances.choose();
    Ok(Setup { online, port, test, protocol, interface: given.interface, capture_file, choice })
}

const PORT: Question =
    Question { flag: "--port PORT", what: "port of the service on the online host", default: None };

const TEST: Question = Question {
    flag: "--test IP[:PORT]",
    what: "address of the test host, with :PORT if the service has another port there",
    default: None,
};

const ASSISTANT: Question = Question {
    flag: "--assistant IP",
    what: "address of an assistant, a host on a segment of the test host (empty: there is none)",
    default: Some(String::new()),
};

fn online_question(own: &[IpAddr]) -> Question {
    Question {
        flag: "--online IP",
        what: "address of the online host, whose clients are copied",
        default: answers::guess(own).map(|ip| ip.to_string()),
    }
}

fn capture_file_question() -> Question {
    Question { flag: "--capture-file FILE", what: "capture file to replay", default: None }
}

/// The source of the answers that were not given: the user, or nobody.
struct Missing<'a, 'b>(Option<&'a mut Dialogue<'b>>);

impl Missing<'_, '_> {
    /// The answer that was given, or the user's. Both must pass `check`.
    fn get<T>(
        &mut self,
        given: Option<T>,
        question: Question,
        read: impl Fn(&str) -> Result<T, String>,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Result<T, InitError> {
        let flag = question.flag;
        match (given, &mut self.0) {
            (Some(answer), _) => match check(&answer) {
                Ok(()) => Ok(answer),
                Err(problem) => Err(InitError::Refused { flag, problem }),
            },
            (None, None) => Err(InitError::Missing { flag, what: question.what }),
            (None, Some(dialogue)) => dialogue.ask(&question, |text| {
                let answer = read(text)?;
                check(&answer).map(|()| answer)
            }),
        }
    }

    fn protocol(&mut self, port: u16) -> Result<Protocol, InitError> {
        let usual = Protocol::usual(port);
        let question = Question {
            flag: "--protocol NAME",
            what: "protocol of the service: mysql, postgres, redis or none",
            default: Some(usual.name().to_owned()),
        };
        match &mut self.0 {
            None => Ok(usual),
            Some(dialogue) => dialogue.ask(&question, answers::protocol),
        }
    }

    /// Where nobody can be asked, `--mode agent` says it.
    fn checks_sources(&mut self) -> Result<bool, InitError> {
        let question = Question {
            flag: "--mode MODE",
            what: "is the network a public cloud, or does it check source addresses? yes or no",
            default: Some("no".to_owned()),
        };
        match &mut self.0 {
            None => Ok(false),
            Some(dialogue) => dialogue.ask(&question, answers::yes_or_no),
        }
    }

    /// The assistant. Only classic mode must have one.
    fn assistant(
        &mut self,
        given: Option<IpAddr>,
        mode: Option<Mode>,
        hosts: &[(&str, IpAddr)],
    ) -> Result<Option<IpAddr>, InitError> {
        let differs = |ip: &Option<IpAddr>| ip.map_or(Ok(()), |ip| answers::differs(ip, hosts));
        let must = mode == Some(Mode::Classic);
        if given.is_none() && self.0.is_none() && !must {
            return Ok(None);
        }
        let question = if must {
            Question {
                what: "address of the assistant, a host on a segment of the test host",
                default: None,
                ..ASSISTANT
            }
        } else {
            ASSISTANT
        };
        let read = |text: &str| match text {
            "" if !must => Ok(None),
            text => answers::host(text).map(Some),
        };
        self.get(given.map(Some), question, read, differs)
    }
}
