//! Selection of segments by the first bytes of their payload.

/// The first bytes of a payload; `None` stands for any byte. The empty prefix fits every payload that is not empty.
pub type PayloadPrefix = &'static [Option<u8>];

/// True if `payload` is not empty and begins with one of `prefixes`.
#[must_use]
pub fn begins_with_any(payload: &[u8], prefixes: &[PayloadPrefix]) -> bool {
    let fits = |(wanted, byte): (&Option<u8>, &u8)| wanted.is_none_or(|wanted| wanted == *byte);
    let begins =
        |prefix: &PayloadPrefix| payload.len() >= prefix.len() && prefix.iter().zip(payload).all(fits);
    !payload.is_empty() && prefixes.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_fits_by_its_first_bytes() {
        let prefixes: &[PayloadPrefix] = &[&[Some(1), None, Some(3)], &[Some(2)]];
        for (payload, fits) in [
            (&[1, 9, 3, 4][..], true),
            (&[1, 9, 3], true),
            (&[1, 9], false),
            (&[1, 9, 4], false),
            (&[2], true),
            (&[], false),
        ] {
            assert_eq!(begins_with_any(payload, prefixes), fits, "{payload:?}");
            assert_eq!(begins_with_any(payload, &[&[]]), !payload.is_empty());
            assert!(!begins_with_any(payload, &[]));
        }
    }
}
