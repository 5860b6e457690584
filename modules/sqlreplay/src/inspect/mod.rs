//! What is in a recording.

pub mod sessions;
pub mod show;
pub mod texts;

/// The port in a client's address.
#[must_use]
pub fn port(client: &str) -> Option<u16> {
    client.rsplit(':').next()?.parse().ok()
}

/// A text on one line, of at most `length` characters; nothing in it reaches the terminal's control.
#[must_use]
pub fn on_one_line(text: &str, length: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }));
        if line.chars().count() > length {
            let end = line.char_indices().nth(length.saturating_sub(3)).map_or(line.len(), |(at, _)| at);
            line.truncate(end);
            line.push_str("...");
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shown_on_one_line() {
        assert_eq!(on_one_line("SELECT\n  1\t;\x1b[31m", 60), "SELECT 1 ;\u{fffd}[31m");
        assert_eq!(on_one_line("abcdefghij", 8), "abcde...");
        assert_eq!(on_one_line("äöüäöüäöü", 8), "äöüäö...");
        assert_eq!((port("127.0.0.1:54752"), port("[::1]:5"), port("x")), (Some(54752), Some(5), None));
    }
}
