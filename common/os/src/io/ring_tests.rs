//! The ring with a simulated kernel: the same memory, no socket. Also runs under Miri (docs/bench/sanitizers.md).

use std::mem::ManuallyDrop;

use super::*;

/// Two frames fit in a block, with a remainder.
const FRAME: usize = 24 * 1024;
const FRAMES: usize = 4;

#[repr(align(64))]
struct Memory(#[expect(dead_code, reason = "reached by pointers")] [u8; 2 * BLOCK]);

/// A ring, and the kernel's side of it.
struct Rig {
    ring: ManuallyDrop<Ring>, // its memory is no mapping
    memory: NonNull<u8>,
    filled: usize,
}

/// The lengths that the kernel writes for a packet: where it starts in its frame, how much is there, and its original length.
#[derive(Clone, Copy)]
struct Lengths {
    start: u16,
    kept: u32,
    wire: u32,
    status: u32,
}

const START: u16 = 80;

impl Lengths {
    fn whole(bytes: &[u8]) -> Self {
        let length = bytes.len() as u32;
        Self { start: START, kept: length, wire: length, status: libc::TP_STATUS_USER }
    }
}

impl Rig {
    fn new() -> Self {
        let memory = NonNull::from(Box::leak(Box::new(Memory([0xee; 2 * BLOCK])))).cast();
        let ring = Ring { memory: Mapping::simulated(memory, 2 * BLOCK), frame: FRAME, next: 0 };
        let mut rig = Self { ring: ManuallyDrop::new(ring), memory, filled: 0 };
        for _ in 0..FRAMES {
            rig.put(Lengths { status: libc::TP_STATUS_KERNEL, ..Lengths::whole(&[]) }, &[]);
        }
        rig
    }

    /// Fills the next frame and then sets its status.
    fn put(&mut self, lengths: Lengths, bytes: &[u8]) {
        assert!(usize::from(START) + bytes.len() <= FRAME, "the test's own limit");
        // SAFETY: all of it is within the frame, which the other side does not access until the status is set; all-zero bytes
        // are valid for both structs: plain integers.
        unsafe {
            let frame = self.filled % FRAMES;
            let base = self.memory.add(frame / 2 * BLOCK + frame % 2 * FRAME);
            let mut header: libc::tpacket2_hdr = std::mem::zeroed();
            (header.tp_net, header.tp_snaplen, header.tp_len) = (lengths.start, lengths.kept, lengths.wire);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_pkttype = libc::PACKET_OUTGOING;
            base.cast::<libc::tpacket2_hdr>().write(header);
            base.add(ADDRESS).cast::<libc::sockaddr_ll>().write(address);
            base.add(START.into()).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            AtomicU32::from_ptr(base.cast().as_ptr()).store(lengths.status, Ordering::Release);
        }
        self.filled += 1;
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let bytes = self.ring.front()?.bytes.to_vec();
        self.ring.pop();
        Some(bytes)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`, and nothing refers to it any more.
        drop(unsafe { Box::from_raw(self.memory.cast::<Memory>().as_ptr()) });
    }
}

#[test]
fn packets_come_in_order_when_the_ring_wraps() {
    let mut rig = Rig::new();
    for round in 0..10_u8 {
        assert!(rig.ring.front().is_none(), "an empty ring");
        for packet in 0..FRAMES as u8 {
            let bytes = [round, packet, 7];
            rig.put(Lengths::whole(&bytes), &bytes);
        }
        for packet in 0..FRAMES as u8 {
            assert_eq!(rig.take(), Some(vec![round, packet, 7]));
        }
    }
}

#[test]
fn the_kernels_metadata_is_returned() {
    let mut rig = Rig::new();
    let bytes = [1, 2, 3];
    let status = libc::TP_STATUS_USER | libc::TP_STATUS_COPY;
    rig.put(Lengths { wire: 9000, status, ..Lengths::whole(&bytes) }, &bytes);
    let frame = rig.ring.front().unwrap();
    assert_eq!(
        (frame.bytes, frame.wire_length, frame.packet_type, frame.queued),
        (&bytes[..], 9000, libc::PACKET_OUTGOING, true)
    );
}

/// The kernel writes valid lengths, but they decide which memory is read.
#[test]
fn lengths_beyond_the_frame_end_with_it() {
    let mut rig = Rig::new();
    for (start, kept) in [(START, u32::MAX), (u16::MAX, 5), (FRAME as u16, 1), (0, FRAME as u32 + 1)] {
        rig.put(Lengths { start, kept, ..Lengths::whole(&[]) }, &[]);
        let frame = rig.ring.front().unwrap();
        assert_eq!(frame.bytes.len(), FRAME - usize::from(start).min(FRAME));
        // Every byte must be readable.
        std::hint::black_box(frame.bytes.to_vec());
        rig.ring.pop();
    }
}
