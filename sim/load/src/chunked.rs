//! HTTP's chunked transfer coding, undone piece by piece: a stream's bytes arrive in any pieces.

/// Takes bytes off the wire and gives what was in the chunks.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the line with the size; what was read of it so far, and whether its digits are over.
    Size { value: usize, digits_over: bool },
    /// In the data; so many bytes are left.
    Data { left: usize },
    /// In the line end behind the data.
    DataEnd,
    /// The last chunk was seen.
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { value: 0, digits_over: false }
    }
}

impl Chunks {
    /// Takes more bytes and appends the data in them to `out`.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Size { value, digits_over } => {
                    bytes = rest;
                    let digit = char::from(byte).to_digit(16).filter(|_| !digits_over);
                    self.state = match (byte, digit) {
                        (b'\n', _) if value == 0 => State::Over,
                        (b'\n', _) => State::Data { left: value },
                        (_, Some(digit)) => State::Size { value: value * 16 + digit as usize, digits_over },
                        // An extension, or the carriage return.
                        _ => State::Size { value, digits_over: true },
                    };
                }
                State::Data { left } => {
                    let taken = left.min(bytes.len());
                    out.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    self.state = if taken == left { State::DataEnd } else { State::Data { left: left - taken } };
                }
                State::DataEnd => {
                    bytes = rest;
                    if byte == b'\n' {
                        self.state = State::default();
                    }
                }
                State::Over => return,
            }
        }
    }

    /// Whether the sender said that nothing follows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_whole_from_any_pieces() {
        let wire = b"4\r\nWiki\r\n1a;name=value\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
        for size in [1, 2, 3, 5, 1000] {
            let (mut chunks, mut out) = (Chunks::default(), Vec::new());
            for piece in wire.chunks(size) {
                chunks.push(piece, &mut out);
            }
            assert_eq!(out, b"Wikiabcdefghijklmnopqrstuvwxyz", "pieces of {size}");
            assert!(chunks.is_over(), "pieces of {size}");
        }
    }

    #[test]
    fn a_stream_that_goes_on_is_not_over() {
        let (mut chunks, mut out) = (Chunks::default(), Vec::new());
        chunks.push(b"3\r\nabc\r\n", &mut out);
        assert_eq!((out.as_slice(), chunks.is_over()), (&b"abc"[..], false));
    }
}
