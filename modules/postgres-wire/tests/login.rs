//! Both sides of a login against each other, and against another implementation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_wire::backend::{Authentication, Backend};
use postgres_wire::frontend::Frontend;
use postgres_wire::login::client::{ClientLogin, ITERATIONS_MAX, Method, Refusal, Step};
use postgres_wire::login::credential::Credential;
use postgres_wire::login::keys::Keys;
use postgres_wire::login::server::{Rule, ServerLogin, Step as ServerStep, Verifier};

fn client(credential: Option<&[u8]>) -> ClientLogin {
    let credential = credential.map(|text| Credential::read(text).unwrap());
    ClientLogin::new(b"app", credential, true, [7; 18])
}

fn scram(password: &[u8]) -> Rule {
    Rule::Scram { verifier: Verifier::new(password, b"0123456789abcdef", 4096), nonce: [9; 18] }
}

fn md5(password: &[u8]) -> Rule {
    Rule::Md5 { password: password.to_vec().into(), user: b"app".to_vec(), salt: [1, 2, 3, 4] }
}

/// The outcome: whether each side is content, and the method.
fn play(mut client: ClientLogin, rule: Rule) -> (bool, Result<bool, Refusal>, Method) {
    let (mut server, mut step) = ServerLogin::new(rule);
    loop {
        let (bytes, accepted) = match step {
            ServerStep::Send(bytes) => (bytes, false),
            ServerStep::Accepted(bytes) => (bytes, true),
            ServerStep::Refused => return (false, Ok(false), client.method()),
        };
        let mut rest = &bytes[..];
        let mut answer = None;
        while let Some((Backend::Authentication(request), length)) = Backend::read(rest).unwrap() {
            rest = &rest[length..];
            let mut next = match client.handle(request) {
                Ok(next) => next,
                Err(refusal) => return (accepted, Err(refusal), client.method()),
            };
            if let Step::NeedKeys = next {
                let before = client.before_keys();
                let keys = client.derivation().unwrap().finish();
                next = client.keys(keys);
                let Step::Send(message) = &next else { panic!("{next:?}") };
                assert!(message.starts_with(&before) && message.len() == before.len() + 44);
            }
            match next {
                Step::Send(message) => answer = Some(message),
                Step::Accepted => return (accepted, Ok(true), client.method()),
                Step::Wait => {}
                Step::NeedKeys => panic!("the keys were given"),
            }
        }
        let message = answer.unwrap();
        let Some((Frontend::Password(body), length)) = Frontend::read(&message).unwrap() else { panic!() };
        assert_eq!(length, message.len());
        step = server.handle(body);
    }
}

#[test]
fn whoever_knows_the_password_is_let_in() {
    let both = |password: &[u8], rule, method| {
        assert_eq!(play(client(Some(password)), rule), (true, Ok(true), method));
    };
    both(b"secret", scram(b"secret"), Method::Scram);
    both(b"secret", md5(b"secret"), Method::Md5);
    both(b"secret", Rule::Cleartext(b"secret".to_vec().into()), Method::Cleartext);
    both(b"secret", Rule::Trust, Method::Trust);
    both(b"md53175bce1d3201d16594cebf9d7eb3f9d", Rule::Trust, Method::Trust);
    assert_eq!(play(client(None), Rule::Trust), (true, Ok(true), Method::Trust));
    for rule in [scram(b"other"), md5(b"other"), Rule::Cleartext(b"other".to_vec().into())] {
        let (accepted, outcome, _) = play(client(Some(b"secret")), rule);
        assert_eq!((accepted, outcome), (false, Ok(false)));
    }
}

#[test]
fn hashes_and_keys_serve_for_their_method() {
    use md5::Digest;
    let hash = md5::Md5::digest(b"secretapp").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hash = format!("md5{hash}");
    assert_eq!(play(client(Some(hash.as_bytes())), md5(b"secret")), (true, Ok(true), Method::Md5));
    assert_eq!(play(client(Some(hash.as_bytes())), scram(b"secret")).1, Err(Refusal::NeedsPassword));
    let login = |keys| ClientLogin::new(b"app", Some(Credential::Scram(keys)), true, [7; 18]);
    let keys = Keys::derive(b"secret", b"0123456789abcdef", 4096);
    assert_eq!(play(login(keys.clone()), scram(b"secret")), (true, Ok(true), Method::Scram));
    assert_eq!(play(login(keys), md5(b"secret")).1, Err(Refusal::NeedsPassword));
    let others = Keys::derive(b"secret", b"another salt", 4096);
    assert_eq!(play(login(others), scram(b"secret")).1, Ok(false));
}

#[test]
fn another_implementation_says_the_same() {
    let verifier = Verifier::new("I\u{ad}X".as_bytes(), b"0123456789abcdef", 4096);
    let (mut server, _) = ServerLogin::new(Rule::Scram { verifier, nonce: [9; 18] });
    let mut oracle = ScramSha256::new(b"IX", ChannelBinding::unsupported());
    let first = oracle.message();
    let length = (first.len() as u32).to_be_bytes();
    let ServerStep::Send(bytes) = server.handle(&[b"SCRAM-SHA-256\0", &length[..], first].concat()) else {
        panic!("the client's first message is refused")
    };
    let Some((Backend::Authentication(Authentication::SaslContinue(message)), _)) =
        Backend::read(&bytes).unwrap()
    else {
        panic!("{bytes:?}")
    };
    oracle.update(message).unwrap();
    let ServerStep::Accepted(bytes) = server.handle(oracle.message()) else { panic!("the proof is refused") };
    let Some((Backend::Authentication(Authentication::SaslFinal(message)), _)) =
        Backend::read(&bytes).unwrap()
    else {
        panic!("{bytes:?}")
    };
    oracle.finish(message).unwrap();
}

#[test]
fn a_server_that_does_not_prove_itself_is_not_believed() {
    let begun = || {
        let mut login = client(Some(b"secret"));
        login.handle(Authentication::Sasl(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")).unwrap();
        login
    };
    let nonce = "BwcHBwcHBwcHBwcHBwcHBwcH";
    assert_eq!(begun().handle(Authentication::Ok).unwrap_err(), Refusal::Server);
    let mut login = begun();
    let challenge = format!("r={nonce}xyz,s=c2FsdA==,i=4096");
    assert!(matches!(login.handle(Authentication::SaslContinue(challenge.as_bytes())), Ok(Step::NeedKeys)));
    assert_eq!(login.challenge(), Some((&b"salt"[..], 4096)));
    login.keys(Keys::derive(b"secret", b"salt", 4096));
    let wrong = b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(login.handle(Authentication::SaslFinal(wrong)).unwrap_err(), Refusal::Server);
    for message in [
        "".to_owned(),
        "r=".to_owned(),
        "e=other-error".to_owned(),
        // Another's nonce, or nothing added to ours.
        "r=AAAAAAAAAAAAAAAAAAAAAAAAAAAAxyz,s=c2FsdA==,i=4096".to_owned(),
        format!("r={nonce},s=c2FsdA==,i=4096"),
        format!("m=x,r={nonce}xyz,s=c2FsdA==,i=4096"),
        format!("r={nonce}xyz,s=c2Fsd,i=4096"),
        format!("r={nonce}xyz,s=c2FsdA==,i=0"),
        format!("r={nonce}xyz,s=c2FsdA==,i=+1"),
        format!("r={nonce}xyz,s=c2FsdA==,i=99999999999"),
        format!("r={nonce}{},s=c2FsdA==,i=1", "x".repeat(2000)),
    ] {
        let result = begun().handle(Authentication::SaslContinue(message.as_bytes()));
        assert_eq!(result.unwrap_err(), Refusal::OutOfStep, "{message}");
    }
    let many = format!("r={nonce}xyz,s=c2FsdA==,i={}", ITERATIONS_MAX + 1);
    let result = begun().handle(Authentication::SaslContinue(many.as_bytes()));
    assert_eq!(result.unwrap_err(), Refusal::Iterations(ITERATIONS_MAX + 1));
}

#[test]
fn what_cannot_be_answered_is_refused_with_its_reason() {
    for (credential, clear, request, refusal, method) in [
        (None, true, Authentication::Md5([0; 4]), Refusal::NoPassword, Method::Md5),
        (None, true, Authentication::Cleartext, Refusal::NoPassword, Method::Cleartext),
        (None, true, Authentication::Sasl(b"SCRAM-SHA-256\0\0"), Refusal::NoPassword, Method::Scram),
        (Some("x"), false, Authentication::Cleartext, Refusal::Clear, Method::Cleartext),
        (Some("x"), true, Authentication::Sasl(b"OAUTHBEARER\0\0"), Refusal::Method, Method::Other),
        (Some("x"), true, Authentication::Other(7, &[]), Refusal::Method, Method::Gss),
        (Some("x"), true, Authentication::Other(9, &[]), Refusal::Method, Method::Gss),
        (Some("x"), true, Authentication::Other(6, &[]), Refusal::Method, Method::Other),
        (Some("x"), true, Authentication::SaslFinal(b""), Refusal::OutOfStep, Method::Trust),
    ] {
        let credential = credential.map(|text| Credential::read(text.as_bytes()).unwrap());
        let mut login = ClientLogin::new(b"app", credential, clear, [0; 18]);
        assert_eq!((login.handle(request).unwrap_err(), login.method()), (refusal, method));
    }
}

#[test]
fn a_server_does_not_believe_garbage() {
    for rule in [scram(b"secret"), md5(b"secret"), Rule::Cleartext(b"secret".to_vec().into()), Rule::Trust] {
        for body in [
            &b""[..],
            b"\0",
            b"secret",
            b"SCRAM-SHA-256\0\0\0\0\x05n,,n=",
            b"SCRAM-SHA-256\0\xff\xff\xff\xffn,,n=,r=x",
        ] {
            let (mut server, _) = ServerLogin::new(rule.clone());
            assert_eq!(server.handle(body), ServerStep::Refused, "{rule:?} {body:?}");
        }
    }
}
