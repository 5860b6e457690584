//! Frames in a stream that is cut anywhere.

use std::marker::PhantomData;

use crate::edits::{Edits, Fate};

/// The bytes are not of this protocol, or the place in the stream is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfStep;

/// How a protocol delimits its frames.
pub trait Framing {
    /// Reads the frame that begins `bytes`; `None` if more bytes are needed. It `continues` another if it belongs to that, as
    /// [`Frame::more`] says. The engine keeps incomplete heads, so that the same bytes come again with more: a head must
    /// have a limit, beyond which it is [`OutOfStep`].
    ///
    /// # Errors
    ///
    /// If no frame begins here.
    fn frame(bytes: &[u8], continues: bool) -> Result<Option<Frame>, OutOfStep>;
}

/// One frame, as far as its head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Length of the head: everything that must be there to decide the fate of the frame, in bytes.
    pub head: usize,
    /// Length of the rest, in bytes.
    pub body: u64,
    /// Frames that follow and belong to this one: they share its fate.
    pub more: u64,
}

/// A place in a stream of frames. Between two frames by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes left of the frame.
    body: u64,
    /// Frames that have not begun, and belong to it.
    more: u64,
}

impl Place {
    /// The place behind the head of `frame`.
    #[must_use]
    pub fn behind_head(frame: &Frame) -> Self {
        Self { body: frame.body, more: frame.more }
    }

    /// Whether it is between two frames.
    #[must_use]
    pub fn is_boundary(self) -> bool {
        self == Self::default()
    }

    /// Moves on to the end of the frame, with all frames that belong to it. Returns how many of `bytes` that are. If these
    /// are not all of `bytes`, the frame has ended, or more bytes are needed to read the head of one that belongs to it.
    ///
    /// # Errors
    ///
    /// If bytes that should begin a frame do not.
    #[inline]
    pub fn skip<P: Framing>(&mut self, bytes: &[u8]) -> Result<usize, OutOfStep> {
        let mut at = 0;
        loop {
            let left = bytes.len() - at;
            if self.body > left as u64 {
                self.body -= left as u64;
                return Ok(bytes.len());
            }
            // At most the length of a slice.
            at += self.body as usize;
            self.body = 0;
            if self.more == 0 {
                return Ok(at);
            }
            let Some(frame) = P::frame(&bytes[at..], true)? else { return Ok(at) };
            at += frame.head;
            self.body = frame.body;
            self.more = (self.more - 1).checked_add(frame.more).ok_or(OutOfStep)?;
            if at > bytes.len() {
                return Err(OutOfStep);
            }
        }
    }
}

/// The client's stream of frames, each with a fate.
#[derive(Debug)]
pub struct Framed<P> {
    place: Place,
    fate: Fate,
    framing: PhantomData<P>,
}

impl<P> Default for Framed<P> {
    fn default() -> Self {
        Self { place: Place::default(), fate: Fate::Pass, framing: PhantomData }
    }
}

impl<P: Framing> Framed<P> {
    /// Deals with as many of `bytes` as it can. `decide` gets each frame whose head is complete, with all bytes from its
    /// start on, and returns the fate of the frame; `None` holds it, and everything after it. It may use `edits` to send
    /// something before the frame.
    ///
    /// # Errors
    ///
    /// If bytes that should begin a frame do not. They, and all that follow, are not dealt with.
    pub fn follow(
        &mut self,
        bytes: &[u8],
        edits: &mut Edits<'_>,
        mut decide: impl FnMut(&Frame, &[u8], &mut Edits<'_>) -> Option<Fate>,
    ) -> Result<(), OutOfStep> {
        let mut at = 0;
        while at < bytes.len() {
            if self.place.is_boundary() {
                let Some(frame) = P::frame(&bytes[at..], false)? else { break };
                let Some(fate) = decide(&frame, &bytes[at..], edits) else { break };
                edits.take(frame.head, fate);
                at += frame.head;
                (self.place, self.fate) = (Place::behind_head(&frame), fate);
            }
            let rest = bytes.get(at..).ok_or(OutOfStep)?;
            let length = self.place.skip::<P>(rest)?;
            edits.take(length, self.fate);
            at += length;
            if !self.place.is_boundary() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the next byte begins a frame.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.place.is_boundary()
    }

    /// The next byte begins a frame: after bytes that are missing, say.
    pub fn restart(&mut self) {
        self.place = Place::default();
    }

    /// Changes the fate of the rest of the present frame: its beginning went to a connection that is lost, say.
    pub fn set_fate(&mut self, fate: Fate) {
        self.fate = fate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::{Action, Actions, Loss};

    /// A letter, a digit for the length of the body and one for the number of frames that belong to it.
    struct Digits;

    impl Framing for Digits {
        fn frame(bytes: &[u8], _: bool) -> Result<Option<Frame>, OutOfStep> {
            match *bytes {
                [b'a'..=b'z', body @ b'0'..=b'9', more @ b'0'..=b'9', ..] => {
                    Ok(Some(Frame { head: 3, body: u64::from(body - b'0'), more: u64::from(more - b'0') }))
                }
                [b'a'..=b'z'] | [b'a'..=b'z', b'0'..=b'9'] | [] => Ok(None),
                _ => Err(OutOfStep),
            }
        }
    }

    /// Follows the stream in pieces of this length; frames that begin with `x` are left out.
    fn follow(stream: &[u8], piece: usize) -> Vec<Action> {
        let (mut framed, mut held, mut list) = (Framed::<Digits>::default(), Vec::new(), Vec::new());
        for bytes in stream.chunks(piece) {
            held.extend_from_slice(bytes);
            let mut actions = Actions::new();
            let mut edits = Edits::new(&mut actions);
            let decide = |_: &Frame, frame: &[u8], _: &mut Edits<'_>| {
                Some(if frame[0] == b'x' { Fate::LeaveOut(Loss::LeftOut) } else { Fate::Pass })
            };
            framed.follow(&held, &mut edits, decide).unwrap();
            let taken = edits.taken();
            drop(edits);
            held.drain(..taken);
            for action in actions.list() {
                match (list.last_mut(), action) {
                    (Some(Action::Pass(sum)), Action::Pass(bytes)) => *sum += bytes,
                    (Some(Action::LeaveOut(sum, _)), Action::LeaveOut(bytes, _)) => *sum += bytes,
                    _ => list.push(action.clone()),
                }
            }
        }
        assert!(held.is_empty() && framed.is_at_boundary());
        list
    }

    #[test]
    fn a_frame_has_one_fate_however_the_stream_is_cut() {
        // The second has two frames that belong to it, the first of which has one more.
        let stream = b"a40abcdx32xyzb11!c00d10?e00";
        let expected = [Action::Pass(7), Action::LeaveOut(17, Loss::LeftOut), Action::Pass(3)];
        for piece in 1..=stream.len() {
            assert_eq!(follow(stream, piece), expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let mut actions = Actions::new();
        let mut edits = Edits::new(&mut actions);
        let mut framed = Framed::<Digits>::default();
        let result = framed.follow(b"a00a0?", &mut edits, |_, _, _| Some(Fate::Pass));
        assert_eq!((result, edits.taken()), (Err(OutOfStep), 3));
        let mut place = Place { body: 1, more: u64::MAX };
        assert_eq!(place.skip::<Digits>(b"xa09"), Err(OutOfStep), "more frames than can be counted");
    }
}
