//! Messages of both directions: what was read is written again, byte for byte, and another implementation agrees.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use postgres_protocol::{IsNull, Oid};
use postgres_wire::backend::{Authentication, Backend, TransactionStatus};
use postgres_wire::frontend::{Frontend, Target};
use proptest::prelude::*;

const FRONTEND: &[u8] = b"BCDEFHPQSXcdfp";
const BACKEND: &[u8] = b"RSKZTDCIn123stENAGHWdcVv";

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// Bodies that are valid more often than chance has it.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(vec![0]),
        Just(vec![0, 0]),
        Just(vec![0, 1]),
        Just(vec![0xFF; 4]),
        Just(vec![0, 0, 0, 3, b'a', b'b', b'c']),
        "[a-z]{0,8}\0".prop_map(String::into_bytes),
        Just(b"S".to_vec()),
        Just(b"I".to_vec()),
        prop::collection::vec(any::<u8>(), 0..9),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_message_that_was_read_is_written_with_the_same_bytes(at in 0..38_usize, body in body(), more in body()) {
        let kinds = [FRONTEND, BACKEND].concat();
        let kind = kinds[at % kinds.len()];
        let bytes = framed(kind, &body);
        let stream = [&bytes[..], &more].concat();
        let mut again = Vec::new();
        if at < FRONTEND.len() {
            if let Ok(read) = Frontend::read(&stream) {
                let (message, length) = read.unwrap();
                message.write(&mut again);
                prop_assert_eq!((length, &again), (bytes.len(), &bytes));
                prop_assert_eq!(Frontend::read(&bytes[..length - 1]), Ok(None));
            }
        } else if let Ok(read) = Backend::read(&stream) {
            let (message, length) = read.unwrap();
            message.write(&mut again);
            prop_assert_eq!((length, &again), (bytes.len(), &bytes));
            prop_assert_eq!(Backend::read(&bytes[..length - 1]), Ok(None));
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Frontend::read(&bytes), Backend::read(&bytes));
        let _ = postgres_wire::opening::Opening::read(&bytes);
        let _ = postgres_wire::server_error::ServerError::read(&bytes);
    }

    #[test]
    fn binds_of_another_implementation_are_read(
        names in ("[a-z]{0,9}", "[a-z]{0,9}"),
        values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..9),
        formats in prop::collection::vec(0..2_i16, 0..4),
    ) {
        let mut out = BytesMut::new();
        frontend::bind(&names.0, &names.1, formats.clone(), values.iter(), |value, out| {
            match value {
                Some(bytes) => { out.extend_from_slice(bytes); Ok(IsNull::No) }
                None => Ok(IsNull::Yes),
            }
        }, formats.clone(), &mut out).map_err(|_| "bind").unwrap();
        let Ok(Some((Frontend::Bind(bind), length))) = Frontend::read(&out) else { panic!("{out:?}") };
        prop_assert_eq!(length, out.len());
        prop_assert_eq!((bind.portal, bind.statement), (names.0.as_bytes(), names.1.as_bytes()));
        let read: Vec<_> = bind.parameters.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(&read, &values);
        for read in [bind.formats, bind.results] {
            prop_assert_eq!(read.iter().map(|it| it as i16).collect::<Vec<_>>(), formats.clone());
        }
        let mut again = Vec::new();
        Frontend::Bind(bind).write(&mut again);
        prop_assert_eq!(&again[..], &out[..]);
    }
}

/// What another implementation writes is read as this.
fn wrote(write: impl FnOnce(&mut BytesMut), expected: Frontend<'_>) {
    let mut out = BytesMut::new();
    write(&mut out);
    assert_eq!(Frontend::read(&out), Ok(Some((expected, out.len()))));
    let mut ours = Vec::new();
    expected.write(&mut ours);
    assert_eq!(ours, out);
}

#[test]
fn what_another_implementation_writes_is_read() {
    wrote(|out| frontend::query("SELECT 1", out).unwrap(), Frontend::Query(b"SELECT 1"));
    wrote(|out| frontend::execute("p", 5, out).unwrap(), Frontend::Execute { portal: b"p", rows: 5 });
    wrote(|out| frontend::close(b'S', "s", out).unwrap(), Frontend::Close(Target::Statement(b"s")));
    wrote(|out| frontend::describe(b'P', "", out).unwrap(), Frontend::Describe(Target::Portal(b"")));
    wrote(|out| frontend::copy_fail("no", out).unwrap(), Frontend::CopyFail(b"no"));
    wrote(|out| frontend::CopyData::new(&b"1\t2\n"[..]).unwrap().write(out), Frontend::CopyData(b"1\t2\n"));
    wrote(frontend::copy_done, Frontend::CopyDone);
    wrote(frontend::flush, Frontend::Flush);
    wrote(frontend::sync, Frontend::Sync);
    wrote(frontend::terminate, Frontend::Terminate);
    wrote(|out| frontend::password_message(b"secret", out).unwrap(), Frontend::Password(b"secret\0"));
    let mut out = BytesMut::new();
    frontend::parse("s", "SELECT $1", [23 as Oid, 0], &mut out).unwrap();
    let Ok(Some((Frontend::Parse(parse), _))) = Frontend::read(&out) else { panic!("{out:?}") };
    assert_eq!((parse.statement, parse.query), (&b"s"[..], &b"SELECT $1"[..]));
    assert_eq!(parse.types, [[0, 0, 0, 23], [0; 4]]);
}

/// Another implementation reads what we write.
fn read_by_another(message: Backend<'_>) -> Message {
    let mut out = Vec::new();
    message.write(&mut out);
    let mut bytes = BytesMut::from(&out[..]);
    let read = Message::parse(&mut bytes).unwrap().unwrap();
    assert!(bytes.is_empty());
    read
}

#[test]
fn what_is_written_is_read_by_another_implementation() {
    for (status, letter) in
        [(TransactionStatus::Idle, b'I'), (TransactionStatus::Open, b'T'), (TransactionStatus::Failed, b'E')]
    {
        let Message::ReadyForQuery(body) = read_by_another(Backend::ReadyForQuery(status)) else { panic!() };
        assert_eq!(body.status(), letter);
    }
    let Message::CommandComplete(body) = read_by_another(Backend::CommandComplete(b"INSERT 0 1")) else {
        panic!()
    };
    assert_eq!(body.tag().unwrap(), "INSERT 0 1");
    let Message::ErrorResponse(body) = read_by_another(Backend::ErrorResponse(b"SERROR\0C42601\0\0")) else {
        panic!()
    };
    assert_eq!(body.fields().map(|field| Ok(field.type_())).collect::<Vec<_>>().unwrap(), b"SC");
    let key = Backend::BackendKeyData { pid: 7, key: &[0, 0, 0, 9] };
    let Message::BackendKeyData(body) = read_by_another(key) else { panic!() };
    assert_eq!((body.process_id(), body.secret_key()), (7, 9));
    let note = Backend::Notification { pid: 7, channel: b"c", payload: b"p" };
    let Message::NotificationResponse(body) = read_by_another(note) else { panic!() };
    assert_eq!((body.process_id(), body.channel().unwrap(), body.message().unwrap()), (7, "c", "p"));
    let Message::AuthenticationMd5Password(body) =
        read_by_another(Backend::Authentication(Authentication::Md5([1, 2, 3, 4])))
    else {
        panic!()
    };
    assert_eq!(body.salt(), [1, 2, 3, 4]);
    assert!(matches!(
        read_by_another(Backend::Authentication(Authentication::Ok)),
        Message::AuthenticationOk
    ));
}
