//! Decodes HTTP's chunked transfer coding from bytes that may be split anywhere.

/// An incremental decoder.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the line with the size: its value so far, and whether its digits have ended.
    Size { value: usize, digits_over: bool },
    /// In the data; `left` bytes remain.
    Data { left: usize },
    /// In the line end after the data.
    DataEnd,
    /// After the last chunk.
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { value: 0, digits_over: false }
    }
}

impl Chunks {
    /// Decodes more bytes and appends their data to `out`.
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

    /// Whether the last chunk was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_decoded_from_any_split() {
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
    fn an_open_stream_is_not_over() {
        let (mut chunks, mut out) = (Chunks::default(), Vec::new());
        chunks.push(b"3\r\nabc\r\n", &mut out);
        assert_eq!((out.as_slice(), chunks.is_over()), (&b"abc"[..], false));
    }
}
