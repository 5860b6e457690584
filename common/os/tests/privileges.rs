//! Open sockets and files after privileges are dropped. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod namespace;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use common_os::io::af_packet::{AfPacket, Room};
use common_os::io::bpf::{Program, Service};
use common_os::io::raw_ip::RawIp;
use common_os::io::{Capture, OpenError};
use common_os::process::privileges::{Kept, drop_privileges};
use namespace::isolated;

const ROOM: Room = Room { frame: 2048, packets: 32, queue: 1 << 20, snap: 2000 };

fn directory(name: &str, owner: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!("common-{}-{name}", std::process::id()));
    fs::create_dir(&path).unwrap();
    chown(&path, Some(owner), Some(owner)).expect("this test needs root: run sudo ./scripts/test");
    path
}

/// Writes a file as statistics are written, and removes it.
fn replace_file(directory: &Path) -> std::io::Result<()> {
    let (new, file) = (directory.join("new"), directory.join("file"));
    fs::write(&new, "1")?;
    fs::rename(new, &file)?;
    fs::remove_file(file)
}

#[test]
fn open_sockets_still_work_and_new_ones_are_refused() {
    isolated(|| {
        let roots = directory("roots", 0);
        let filter = Program::clients(&[Service { ip: None, port: 8080 }], &[]);
        let mut capture = AfPacket::open(None, &Program::answers(&[]), ROOM).unwrap();
        let _injector = RawIp::open(true, true).unwrap();

        let kept = drop_privileges(&[&roots, Path::new("/tmp"), Path::new("/run")]).unwrap();
        assert_eq!(kept, Kept::Nothing);

        capture.set_program(&filter).unwrap();
        let service: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let _listener = TcpListener::bind(service).unwrap();
        let _connection = TcpStream::connect(service).unwrap();
        assert_eq!(capture.receive(10, &mut |_| ()).unwrap(), 2, "SYN and SYN-ACK");

        for refused in [AfPacket::open(None, &filter, ROOM).err(), RawIp::open(true, false).err()] {
            let refused = refused.unwrap();
            assert!(matches!(refused, OpenError::Permission { .. }));
            let line = refused.to_string();
            let program = std::env::current_exe().unwrap();
            assert!(line.contains("sudo") && line.contains("setcap cap_net_raw,cap_net_admin+ep"), "{line}");
            assert!(line.contains(program.to_str().unwrap()), "{line}");
        }
        replace_file(&roots).unwrap();
        fs::remove_dir(roots).unwrap();
    });
}

#[test]
fn files_in_the_directory_of_another_user_can_still_be_written() {
    isolated(|| {
        let theirs = directory("theirs", 65534);
        assert_ne!(fs::metadata(&theirs).unwrap().uid(), 0);
        assert_eq!(drop_privileges(&[&theirs]).unwrap(), Kept::WriteAnyFile);
        replace_file(&theirs).unwrap();
        fs::remove_dir(theirs).unwrap();
    });
}
