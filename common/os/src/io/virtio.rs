//! The header that tells the kernel to complete or to cut a packet (`struct virtio_net_hdr` of `linux/virtio_net.h`).

/// Its length in bytes.
pub(super) const HEADER: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`, `VIRTIO_NET_HDR_GSO_TCPV4` and `_TCPV6`.
const NEEDS_CHECKSUM: u8 = 1;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;

/// Offset of the checksum in a TCP header.
const CHECKSUM: u16 = 16;

/// The header before a packet that stands for segments of `segment` payload bytes. `link` bytes precede the IP header, and
/// `headers` are the IP header without extensions and the whole TCP header, whose checksum is the sum of the pseudo-header.
/// `None` if they are cut short.
pub(super) fn header(link: usize, headers: &[u8], segment: u16) -> Option<[u8; HEADER]> {
    let v6 = headers.first()? >> 4 == 6;
    let ip = if v6 { 40 } else { usize::from(headers[0] & 15) * 4 };
    if headers.len() <= ip {
        return None;
    }
    let [header_low, header_high] = u16::try_from(link + headers.len()).ok()?.to_ne_bytes();
    let [segment_low, segment_high] = segment.to_ne_bytes();
    let [start_low, start_high] = u16::try_from(link + ip).ok()?.to_ne_bytes();
    let [at_low, at_high] = CHECKSUM.to_ne_bytes();
    let kind = if v6 { TCP_V6 } else { TCP_V4 };
    Some([
        NEEDS_CHECKSUM,
        kind,
        header_low,
        header_high,
        segment_low,
        segment_high,
        start_low,
        start_high,
        at_low,
        at_high,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_from_the_start_of_the_frame() {
        let mut v4 = [0; 52];
        v4[0] = 0x45;
        let words = |header: [u8; HEADER]| -> Vec<u16> {
            header[2..].chunks(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
        };
        let header_v4 = header(14, &v4, 1448).unwrap();
        assert_eq!((header_v4[0], header_v4[1], words(header_v4)), (1, 1, vec![66, 1448, 34, 16]));
        let mut v6 = [0; 72];
        v6[0] = 0x60;
        let header_v6 = header(0, &v6, 1428).unwrap();
        assert_eq!((header_v6[1], words(header_v6)), (4, vec![72, 1428, 40, 16]));
        assert_eq!(header(0, &v6[..40], 1428), None);
        assert_eq!(header(0, &[], 1), None);
    }
}
