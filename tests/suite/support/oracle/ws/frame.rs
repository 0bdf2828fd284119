//! Frames of RFC 6455 as bytes, right or wrong.

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// How a length is written; right ones are the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As short as it can be.
    Least,
    /// In two bytes, whatever it is.
    Two,
    /// In eight bytes, whatever it is.
    Eight,
    /// In eight bytes, and another one than it is.
    Lie(u64),
}

/// A frame, which may break any rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    /// The three reserved bits, as 1, 2 and 4.
    pub reserved: u8,
    pub opcode: u8,
    /// Servers must not mask.
    pub mask: Option<[u8; 4]>,
    pub length: Length,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, reserved: 0, opcode, mask: None, length: Length::Least, payload: payload.into() }
    }

    pub fn text(text: &str) -> Self {
        Self::new(TEXT, text)
    }

    /// More of the same message follows.
    pub fn unfinished(self) -> Self {
        Self { fin: false, ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode];
        let masked = u8::from(self.mask.is_some()) << 7;
        let count = self.payload.len();
        match (self.length, count) {
            (Length::Least, 0..=125) => bytes.push(masked | count as u8),
            (Length::Two, _) | (Length::Least, 126..=0xffff) => {
                bytes.push(masked | 126);
                bytes.extend(u16::try_from(count).expect("a length of two bytes").to_be_bytes());
            }
            (Length::Eight | Length::Least, _) => {
                bytes.push(masked | 127);
                bytes.extend((count as u64).to_be_bytes());
            }
            (Length::Lie(told), _) => {
                bytes.push(masked | 127);
                bytes.extend(told.to_be_bytes());
            }
        }
        bytes.extend(self.mask.into_iter().flatten());
        let mask = self.mask.unwrap_or_default();
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// A close frame; `None`: without a code.
pub fn close(code: Option<u16>, reason: &str) -> Frame {
    let payload = code.map(|code| [&code.to_be_bytes(), reason.as_bytes()].concat());
    Frame::new(CLOSE, payload.unwrap_or_default())
}
