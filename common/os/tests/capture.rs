//! Capture on real interfaces. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod namespace;
mod sniffer;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use common_core::flow::Endpoint;
use common_core::payload_prefix::PayloadPrefix;
use common_core::wire::{Flags, Segment};
use common_os::clock::Clock;
use common_os::io::af_packet::{AfPacket, Room};
use common_os::io::bpf::{Program, Service, ServiceAnswers, worker_of};
use common_os::io::way::{Station, Way, Ways};
use common_os::io::witness::Witness;
use common_os::io::{Capture, CaptureCounters, OpenError};
use namespace::{isolated, pair, sh};
use sniffer::{ROOM, Seen, Sniffer, stream};

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

/// The filter for a service on `port` of any address.
fn clients_of(port: u16) -> Program {
    Program::clients(&[Service { ip: None, port }], &[])
}

/// A megabyte in which all sequences of 8 bytes differ.
fn megabyte() -> Vec<u8> {
    (0..1_u64 << 17).flat_map(u64::to_be_bytes).collect()
}

/// Sends a megabyte to `service` and waits until the service has read it.
fn upload(service: SocketAddr) {
    let mut connection = TcpStream::connect(service).unwrap();
    connection.write_all(&megabyte()).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), megabyte().len(), "the service sends the upload back");
}

/// Serves one upload and sends all of it back, so that both directions have payload.
fn serve(listener: &TcpListener) {
    let (mut connection, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    connection.write_all(&bytes).unwrap();
}

fn is_fin_to(service: Endpoint) -> impl Fn(&Seen) -> bool {
    move |seen| seen.destination == service && seen.flags.has(Flags::FIN)
}

/// Checks the packets of one upload against the promises of tcpcopy's filter.
fn check_upload(all: &[Seen], service: Endpoint) {
    assert!(stream(all, service) == megabyte(), "the stream captured is not the one sent");
    let leaving: Vec<_> = all.iter().filter(|seen| seen.outgoing).collect();
    assert!(
        leaving.iter().all(|seen| seen.source == service && seen.flags.has(Flags::SYN | Flags::ACK)),
        "of outgoing packets only SYN-ACKs: {leaving:?}"
    );
    assert!(!leaving.is_empty(), "the service's SYN-ACK was not captured");
    for seen in all.iter().filter(|seen| !seen.outgoing) {
        assert_eq!(seen.destination, service);
        let control = [Flags::SYN, Flags::FIN, Flags::RST].iter().any(|flag| seen.flags.has(*flag));
        assert!(control || seen.payload_len > 0, "a pure ACK was captured");
    }
}

fn largest(all: &[Seen]) -> u32 {
    all.iter().map(|seen| seen.payload_len).max().unwrap_or(0)
}

#[test]
fn an_upload_over_loopback_is_captured_once() {
    for address in ["127.0.0.1:8080", "[::1]:8080"] {
        isolated(|| {
            let listener = TcpListener::bind(address).unwrap();
            for interface in [None, Some("lo")] {
                let mut sniffer = Sniffer::open(interface, &clients_of(8080));
                std::thread::scope(|scope| {
                    scope.spawn(|| serve(&listener));
                    upload(address.parse().unwrap());
                });
                let all = sniffer.until(is_fin_to(endpoint(address)));
                check_upload(&all, endpoint(address));
                assert_eq!(all.iter().filter(|seen| seen.outgoing).count(), 1);
                let bytes: u64 = all.iter().map(|seen| u64::from(seen.payload_len)).sum();
                // Some may be retransmissions; if loopback's duplicates were captured, all would be there twice.
                assert!(bytes < 2 << 20, "loopback shows every packet twice, one is taken");
                assert_eq!(sniffer.counters().dropped, 0);
            }
        });
    }
}

#[test]
fn packets_have_the_time_at_which_the_kernel_captured_them() {
    isolated(|| {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        let before = Clock::unix_millis();
        let mut sniffer = Sniffer::open(None, &clients_of(8080));
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&listener));
            upload("127.0.0.1:8080".parse().unwrap());
        });
        let after = Clock::unix_millis();
        let mut stamps = Vec::new();
        while sniffer.capture.receive(100, &mut |captured| stamps.push(captured.stamp)).unwrap() > 0 {}
        assert!(stamps.len() > 3, "{stamps:?}");
        assert!(stamps.is_sorted(), "{stamps:?}");
        let mut millis = stamps.iter().map(|stamp| stamp.as_nanos() / 1_000_000);
        assert!(millis.all(|millis| (before..=after).contains(&millis)), "{stamps:?} in {before}..={after}");
    });
}

#[test]
fn an_upload_over_a_wire_is_captured_with_and_without_offloads() {
    for offloads in [true, false] {
        for address in ["10.77.0.2:8080", "[fd77::2]:8080"] {
            let (client, online) = pair(offloads);
            let (mut sniffer, listener) = online.run(move || {
                (Sniffer::open(Some("io-b"), &clients_of(8080)), TcpListener::bind(address).unwrap())
            });
            let served = online.start(move || serve(&listener));
            client.run(move || upload(address.parse().unwrap()));
            served.recv().unwrap();
            let all = sniffer.until(is_fin_to(endpoint(address)));
            check_upload(&all, endpoint(address));
            assert_eq!(largest(&all) > 1460, offloads, "jumbo segments come with offloads only");
            assert_eq!(sniffer.counters().dropped, 0);
        }
    }
}

#[test]
fn the_heads_of_answers_with_a_wanted_prefix_are_captured() {
    for offloads in [true, false] {
        for address in ["10.77.0.2:8080", "[fd77::2]:8080"] {
            let service = Service { ip: None, port: 8080 };
            let answers: &[PayloadPrefix] = &[&[Some(b'y'), None, Some(b's')]];
            let program =
                Program::conversations(&[service], &[ServiceAnswers { service, answers, whole: &[] }], &[]);
            let (client, online) = pair(offloads);
            let (mut sniffer, listener) = online
                .run(move || (Sniffer::open(Some("io-b"), &program), TcpListener::bind(address).unwrap()));
            let served = online.start(move || {
                let (mut connection, _) = listener.accept().unwrap();
                for length in [1, 100, 50_000] {
                    for answer in [&b"no"[..], b"yes", b"yas"] {
                        connection.read_exact(&mut [0]).unwrap();
                        connection.write_all(&[answer, &vec![b'.'; length]].concat()).unwrap();
                    }
                }
            });
            client.run(move || {
                let mut connection = TcpStream::connect(address).unwrap();
                for length in [1, 100, 50_000] {
                    for answer in ["no", "yes", "yas"] {
                        connection.write_all(b"?").unwrap();
                        connection.read_exact(&mut vec![0; answer.len() + length]).unwrap();
                    }
                }
            });
            served.recv().unwrap();
            let all = sniffer.until(is_fin_to(endpoint(address)));
            let answers: Vec<_> =
                all.iter().filter(|seen| seen.outgoing && !seen.flags.has(Flags::SYN)).collect();
            let begins = |seen: &&&Seen| String::from_utf8_lossy(&seen.payload[..3]).into_owned();
            assert_eq!(
                answers.iter().map(|seen| begins(&seen)).collect::<Vec<_>>(),
                ["yes", "yas"].repeat(3)
            );
            for seen in &answers[4..] {
                assert!((128..200).contains(&seen.payload.len()) && seen.payload_len > 1000, "{seen:?}");
            }
            assert_eq!(sniffer.counters().dropped, 0);
        }
    }
}

/// The queue of long packets has room for one packet.
#[test]
fn the_heads_of_long_answers_take_no_room_in_the_queue() {
    for address in ["127.0.0.1:8080", "[::1]:8080"] {
        isolated(|| {
            let service = Service { ip: None, port: 8080 };
            let answers: &[PayloadPrefix] = &[&[Some(b'y')]];
            let program =
                Program::conversations(&[service], &[ServiceAnswers { service, answers, whole: &[] }], &[]);
            let room = Room { frame: 320, packets: 256, queue: 1, ..ROOM };
            let mut capture = AfPacket::open(Some("lo"), &program, room).unwrap();
            let listener = TcpListener::bind(address).unwrap();
            let mut client = TcpStream::connect(address).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            for _ in 0..20 {
                client.write_all(b"?").unwrap();
                server.read_exact(&mut [0]).unwrap();
                server.write_all(&[b'y'; 3000]).unwrap();
                client.read_exact(&mut [0; 3000]).unwrap();
            }
            let mut heads = 0;
            let received = capture.receive(256, &mut |captured| {
                let segment = Segment::parse(captured.packet).unwrap();
                if captured.outgoing && segment.payload_len > 0 {
                    heads += 1;
                    assert!(segment.payload.len() >= 128 && segment.payload_len == 3000, "{segment:?}");
                }
            });
            assert!(received.unwrap() < 256);
            assert_eq!((heads, capture.counters().unwrap().dropped), (20, 0));
        });
    }
}

#[test]
fn a_short_snap_length_keeps_the_length_on_the_wire() {
    // The second one is exactly the capacity of a frame.
    for room in [Room { snap: 100, ..ROOM }, Room { frame: 256, packets: 256, snap: 176, ..ROOM }] {
        isolated(move || {
            let service = "127.0.0.1:8080";
            let listener = TcpListener::bind(service).unwrap();
            let mut capture = AfPacket::open(Some("lo"), &clients_of(8080), room).unwrap();
            let mut connection = TcpStream::connect(service).unwrap();
            connection.write_all(&[7; 5000]).unwrap();
            listener.accept().unwrap().0.read_exact(&mut [0; 5000]).unwrap();
            let (mut kept, mut on_wire) = (0, 0);
            let received = capture.receive(100, &mut |captured| {
                assert!(captured.packet.len() <= room.snap);
                let segment = Segment::parse(captured.packet).unwrap();
                kept += segment.payload.len();
                on_wire += segment.payload_len;
            });
            assert!(received.unwrap() >= 3, "SYN, SYN-ACK and data");
            assert!(kept > 0 && kept < room.snap);
            assert_eq!(on_wire, 5000);
            assert_eq!(capture.counters().unwrap().dropped, 0);
        });
    }
}

#[test]
fn vlan_tags_are_removed() {
    let (client, online) = pair(true);
    let mut sniffer = online.run(|| Sniffer::open(Some("io-b"), &clients_of(80)));
    client.run(|| {
        let interface = pnet::datalink::interfaces().into_iter().find(|each| each.name == "io-a").unwrap();
        let Ok(pnet::datalink::Channel::Ethernet(mut sender, _)) =
            pnet::datalink::channel(&interface, pnet::datalink::Config::default())
        else {
            panic!("no channel to send frames on");
        };
        for (port, tags) in [
            (1, [].as_slice()),
            (2, &[0x8100_4005]),
            (3, &[0x88a8_0006, 0x8100_4005]),
            (4, &[0x8100_0006, 0x8100_6005, 0x8100_0007]),
        ] {
            let tags: Vec<u8> = tags.iter().copied().flat_map(u32::to_be_bytes).collect();
            let ethernet = [&[0xff; 6], &[2, 0, 0, 0, 0, 1], tags.as_slice(), &[8, 0]].concat();
            sender.send_to(&[ethernet, syn_from(port)].concat(), None).unwrap().unwrap();
        }
    });
    let all = sniffer.until(|seen| seen.source.port == 4);
    let ports: Vec<_> = all.iter().map(|seen| seen.source.port).collect();
    assert_eq!(ports, [1, 2, 3, 4]);
    assert!(all.iter().all(|seen| seen.flags == Flags::SYN && seen.destination == endpoint("10.77.0.2:80")));
}

/// A SYN from 10.77.0.9 to 10.77.0.2:80.
fn syn_from(port: u16) -> Vec<u8> {
    use common_core::wire::{Options, Outgoing, PacketBuilder, Seq};
    let flow = common_core::flow::Flow {
        client: Endpoint::new(IpAddr::from([10, 77, 0, 9]), port),
        server: endpoint("10.77.0.2:80"),
    };
    let syn = Outgoing {
        seq: Seq(1),
        ack: Seq(0),
        flags: Flags::SYN,
        window: 1000,
        options: Options::default(),
        payload: (&[], &[]),
    };
    PacketBuilder::new().build(&flow, &syn).to_vec()
}

#[test]
fn the_filter_of_a_live_capture_can_be_replaced() {
    isolated(|| {
        let listeners = [8080, 8081].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let connect =
            || listeners.each_ref().map(|each| TcpStream::connect(each.local_addr().unwrap()).unwrap());
        let ports = |all: Vec<Seen>| all.iter().map(|seen| seen.source.port).collect::<Vec<_>>();
        let mut sniffer = Sniffer::open(None, &Program::answers(&[]));
        let _first = connect();
        assert_eq!(sniffer.pending(), []);
        sniffer.capture.set_program(&Program::answers(&[endpoint("127.0.0.1:8081")])).unwrap();
        let _second = connect();
        // Outgoing and incoming: the answers of a server are passed in both directions.
        assert_eq!(ports(sniffer.pending()), [8081, 8081]);
        sniffer.capture.set_program(&Program::from_expression("tcp src port 8080").unwrap()).unwrap();
        let _third = connect();
        assert_eq!(ports(sniffer.pending()), [8080, 8080]);
    });
}

#[test]
fn an_interface_that_goes_down_and_up_is_captured_again() {
    let (client, online) = pair(true);
    let mut sniffer = online.run(|| Sniffer::open(Some("io-b"), &clients_of(8080)));
    online.run(|| sh("ip link set io-b down"));
    let error = sniffer.capture.receive(10, &mut |_| ()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::ENETDOWN));
    online.run(|| sh("ip link set io-b up"));
    let listener = online.run(|| TcpListener::bind("10.77.0.2:8080").unwrap());
    client.run(|| drop(TcpStream::connect("10.77.0.2:8080").unwrap()));
    let all = sniffer.until(|seen| seen.flags == Flags::SYN);
    assert_eq!(all[0].destination, endpoint("10.77.0.2:8080"));
    drop(listener);
}

#[test]
fn packets_dropped_by_the_kernel_are_counted() {
    isolated(|| {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        let mut capture =
            AfPacket::open(Some("lo"), &clients_of(8080), Room { packets: 32, ..ROOM }).unwrap();
        for _ in 0..200 {
            drop(TcpStream::connect("127.0.0.1:8080").unwrap());
            // Once the end can be read, it was delivered and captured.
            assert_eq!(listener.accept().unwrap().0.read(&mut [0]).unwrap(), 0);
        }
        let mut read = 0;
        capture.receive(10_000, &mut |_| read += 1).unwrap();
        let counters = capture.counters().unwrap();
        assert!(counters.dropped > 0);
        assert_eq!(counters.received, counters.dropped + read);
        // A SYN and a SYN-ACK for each connection, and a FIN or RST of the client.
        assert!(counters.received >= 600, "{counters:?}");
        assert_eq!(capture.counters().unwrap(), counters, "the kernel's counters start over, ours do not");
    });
}

/// Long and short packets keep their order; packets without room are counted.
#[test]
fn a_long_packet_takes_its_place_or_is_counted() {
    for (queue, all) in [(1 << 20, true), (2 << 10, false)] {
        isolated(|| {
            let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
            let room = Room { frame: 256, packets: 256, queue, ..ROOM };
            let mut capture = AfPacket::open(Some("lo"), &clients_of(8080), room).unwrap();
            let mut connection = TcpStream::connect("127.0.0.1:8080").unwrap();
            connection.set_nodelay(true).unwrap();
            let mut accepted = listener.accept().unwrap().0;
            let mut written = 0;
            for length in [1, 1000, 2, 2000, 3, 3000, 4, 4000] {
                connection.write_all(&vec![7; length]).unwrap();
                accepted.read_exact(&mut vec![0; length]).unwrap();
                written += length;
            }
            let (mut next, mut read) = (None, 0);
            let received = capture.receive(100, &mut |captured| {
                let segment = Segment::parse(captured.packet).unwrap();
                assert_eq!(segment.payload.len(), segment.payload_len as usize);
                if !captured.outgoing && segment.payload_len > 0 {
                    assert!(!all || next.is_none_or(|next| next == segment.seq), "in order");
                    next = Some(segment.seq + segment.payload_len);
                    read += segment.payload.len();
                }
            });
            let counters = capture.counters().unwrap();
            assert_eq!(counters.received, received.unwrap() as u64);
            assert_eq!(
                (read == written, counters.dropped == 0),
                (all, all),
                "{read} of {written}, {counters:?}"
            );
        });
    }
}

#[test]
fn headers_alone_keep_the_length_on_the_wire() {
    isolated(|| {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        let mut capture = AfPacket::open(Some("lo"), &clients_of(8080).keeping(100), ROOM).unwrap();
        let mut connection = TcpStream::connect("127.0.0.1:8080").unwrap();
        connection.write_all(&[7; 5000]).unwrap();
        listener.accept().unwrap().0.read_exact(&mut [0; 5000]).unwrap();
        let mut on_wire = 0;
        let received = capture.receive(100, &mut |captured| {
            assert!(captured.packet.len() <= 100);
            on_wire += Segment::parse(captured.packet).unwrap().payload_len;
        });
        assert!(received.unwrap() >= 3, "SYN, SYN-ACK and data");
        assert_eq!(on_wire, 5000);
    });
}

#[test]
fn a_capture_without_packets_returns_none() {
    isolated(|| {
        let mut capture = AfPacket::open(None, &clients_of(8080), ROOM).unwrap();
        assert_eq!(capture.receive(10, &mut |_| panic!("a packet")).unwrap(), 0);
        assert_eq!(capture.counters().unwrap(), CaptureCounters::default());
    });
}

#[test]
fn no_such_interface_names_those_there_are() {
    isolated(|| {
        let error = AfPacket::open(Some("eth77"), &clients_of(80), ROOM).err().unwrap();
        assert!(matches!(error, OpenError::NoSuchInterface { .. }));
        let line = error.to_string();
        assert!(line.contains("'eth77'") && line.contains("lo"), "{line}");
    });
}

/// Linux before 6.8 grants 20 KB for the filters of a socket.
#[test]
fn the_longest_filters_fit_into_what_old_kernels_grant() {
    isolated(|| {
        sh("f=/proc/sys/net/core/optmem_max; test ! -e $f || echo 20480 >$f");
        for (prefix, count) in
            [("10.0", 250), ("10.0", 500), ("10.0", 3000), ("[fd00::", 40), ("[fd00::", 80)]
        {
            let servers: Vec<_> = (0..count)
                .map(|i| match prefix {
                    "10.0" => endpoint(&format!("10.0.{}.{}:80", i / 250, i % 250)),
                    _ => endpoint(&format!("[fd00::{i:x}]:80")),
                })
                .collect();
            let services: Vec<_> =
                servers.iter().map(|each| Service { ip: Some(each.ip), port: each.port }).collect();
            for program in [Program::answers(&servers), Program::clients(&services, &servers[..1])] {
                AfPacket::open(Some("lo"), &program, ROOM).unwrap();
            }
        }
    });
}

#[test]
fn workers_share_the_clients_by_their_ports() {
    for offloads in [true, false] {
        for address in ["10.77.0.2:8080", "[fd77::2]:8080"] {
            let (client, online) = pair(offloads);
            let (mut workers, listener) = online.run(move || {
                let workers = Sniffer::open_shared(Some("io-b"), &clients_of(8080), 3);
                (workers, TcpListener::bind(address).unwrap())
            });
            let service = endpoint(address);
            let mut sessions = [0; 3];
            for _ in 0..40 {
                let server = listener.try_clone().unwrap();
                let served = online.start(move || serve_short(&server));
                let port = client.run(move || ask(address.parse().unwrap()));
                served.recv().unwrap();
                let worker = usize::from(worker_of(port, 3));
                let all = workers[worker].until(is_fin_to(service));
                for seen in &all {
                    assert_eq!(if seen.outgoing { seen.destination.port } else { seen.source.port }, port);
                }
                assert!(all.iter().any(|seen| seen.outgoing), "the SYN-ACK goes where the SYN goes");
                sessions[worker] += 1;
                for other in (0..3).filter(|other| *other != worker) {
                    assert_eq!(workers[other].pending(), []);
                }
            }
            assert!(sessions.iter().all(|sessions| *sessions > 0), "{sessions:?}");
        }
    }
}

#[test]
fn workers_keep_their_clients_when_the_interface_comes_back() {
    let (client, online) = pair(true);
    let mut workers = online.run(|| Sniffer::open_shared(Some("io-b"), &clients_of(8080), 2));
    online.run(|| sh("ip link set io-b down; ip link set io-b up"));
    for worker in &mut workers {
        assert!(worker.capture.receive(1, &mut |_| ()).is_err(), "each reports that it was down");
    }
    let address = "10.77.0.2:8080";
    let listener = online.run(move || TcpListener::bind(address).unwrap());
    for _ in 0..20 {
        let server = listener.try_clone().unwrap();
        let served = online.start(move || serve_short(&server));
        let port = client.run(move || ask(address.parse().unwrap()));
        served.recv().unwrap();
        let worker = usize::from(worker_of(port, 2));
        let all = workers[worker].until(is_fin_to(endpoint(address)));
        assert!(all.iter().any(|seen| seen.flags.has(Flags::SYN)));
        assert_eq!(workers[1 - worker].pending(), []);
    }
}

/// A short exchange that the server ends after the client; the port that the client had.
fn ask(service: SocketAddr) -> u16 {
    let mut connection = TcpStream::connect(service).unwrap();
    connection.write_all(b"question").unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap();
    connection.local_addr().unwrap().port()
}

fn serve_short(listener: &TcpListener) {
    let (mut connection, _) = listener.accept().unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap();
    connection.write_all(b"answer").unwrap();
}

#[test]
fn a_witness_counts_what_passes_and_only_when_told() {
    let (near, far) = pair(true);
    // One listener for all: the one before may still be open when the next one binds.
    let listener = far.run(|| TcpListener::bind("10.77.0.2:8080").unwrap());
    let request = |server: &'static str| {
        let listener = listener.try_clone().unwrap();
        let served = far.start(move || serve(&listener));
        near.run(move || drop(TcpStream::connect(server).unwrap()));
        served.recv().unwrap();
    };
    let mut witness = near.run(|| Witness::open().unwrap());
    let answers = |address| Program::answers(&[endpoint(address)]);
    request("10.77.0.2:8080");
    assert_eq!(witness.counted(), 0);
    witness.count(Some(&answers("10.77.0.2:8080"))).unwrap();
    for _ in 0..50 {
        request("10.77.0.2:8080");
    }
    let counted = witness.counted();
    assert!(counted >= 50, "{counted}: more than its buffer holds");
    witness.count(Some(&answers("10.77.0.2:8081"))).unwrap();
    request("10.77.0.2:8080");
    assert_eq!(witness.counted(), counted, "another filter");
    witness.count(Some(&answers("127.0.0.1:8080"))).unwrap();
    near.run(|| {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        drop(TcpStream::connect("127.0.0.1:8080").unwrap());
        serve(&listener);
    });
    assert_eq!(witness.counted(), counted, "loopback");
    witness.count(None).unwrap();
    request("10.77.0.2:8080");
    assert_eq!((witness.counted(), witness.is_counting()), (counted, false));
}

#[test]
fn a_way_names_interface_hop_and_station() {
    let (near, _far) = pair(true);
    let way = |destination: &'static str| {
        near.run(move || Ways::open().unwrap().find(destination.parse().unwrap()))
    };
    let send = |destination: &'static str| {
        near.run(move || {
            drop(std::net::UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", (destination, 9)))
        });
    };
    send("10.77.0.2");
    let direct = way("10.77.0.2").unwrap();
    assert_eq!((&*direct.interface, direct.is_gateway), ("io-a", false));
    assert!(matches!(direct.station, Station::Known(_)), "{direct:?}");
    near.run(|| sh("ip route add 10.99.0.0/16 via 10.77.0.9"));
    send("10.99.0.1");
    let lost = way("10.99.0.1").unwrap();
    let expected = Way {
        interface: "io-a".into(),
        hop: "10.77.0.9".parse().unwrap(),
        is_gateway: true,
        station: Station::Silent,
    };
    assert_eq!(lost, expected);
    assert_eq!(way("10.98.0.1"), None, "no route");
    assert_eq!(way("10.77.0.1"), None, "this host");
}
