//! A tunnel through a SOCKS 5 proxy (RFC 1928), with user and password (RFC 1929) where there are any.
//!
//! Must never read a byte that belongs to the tunnel: every answer says how long it is.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::tunnel::Refusal;
use crate::secret::Secret;

const VERSION: u8 = 5;
const NO_AUTH: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
/// The version of the exchange of user and password (RFC 1929 §2).
const AUTH_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Where a tunnel leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'t> {
    /// To an address.
    Address(SocketAddr),
    /// To a name that the proxy resolves.
    Name(&'t str, u16),
}

/// Asks for a tunnel.
///
/// # Errors
/// When there is none.
pub(super) async fn open<S>(
    stream: &mut S,
    target: Target<'_>,
    credentials: Option<&(Secret, Secret)>,
) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let methods: &[u8] = if credentials.is_some() { &[NO_AUTH, USER_AND_PASSWORD] } else { &[NO_AUTH] };
    let mut greeting = vec![VERSION, methods.len() as u8];
    greeting.extend_from_slice(methods);
    send(stream, &greeting).await?;
    let [version, method] = read(stream).await?;
    is_socks(version)?;
    match (method, credentials) {
        (NO_AUTH, _) => {}
        (USER_AND_PASSWORD, Some((user, password))) => authenticate(stream, user, password).await?,
        _ => return Err(Refusal::Unknown),
    }
    send(stream, &request(target)?).await?;
    let [version, reply, _reserved, kind] = read(stream).await?;
    is_socks(version)?;
    judge(reply)?;
    // The address that the proxy uses, which is of no interest.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(read::<1, _>(stream).await?[0]),
        _ => return Err(no_socks()),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

async fn authenticate<S>(stream: &mut S, user: &Secret, password: &Secret) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut message = vec![AUTH_VERSION];
    for text in [user.reveal(), password.reveal()] {
        message.push(length(text)?);
        message.extend_from_slice(text.as_bytes());
    }
    send(stream, &message).await?;
    let [_version, status] = read(stream).await?;
    if status == 0 { Ok(()) } else { Err(Refusal::Unknown) }
}

fn request(target: Target<'_>) -> Result<Vec<u8>, Refusal> {
    let mut message = vec![VERSION, CONNECT, 0];
    let port = match target {
        Target::Address(address) => {
            match address.ip() {
                IpAddr::V4(ip) => {
                    message.push(IPV4);
                    message.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    message.push(IPV6);
                    message.extend_from_slice(&ip.octets());
                }
            }
            address.port()
        }
        Target::Name(name, port) => {
            message.extend_from_slice(&[NAME, length(name)?]);
            message.extend_from_slice(name.as_bytes());
            port
        }
    };
    message.extend_from_slice(&port.to_be_bytes());
    Ok(message)
}

fn length(text: &str) -> Result<u8, Refusal> {
    u8::try_from(text.len())
        .map_err(|_| Refusal::Final("speaks SOCKS 5, which has no room for more than 255 bytes".to_owned()))
}

/// RFC 1928 §6.
fn judge(reply: u8) -> Result<(), Refusal> {
    let passing = |why: &str| Err(Refusal::Passing(format!("made no tunnel: {why}")));
    let last = |why: &str| Err(Refusal::Final(format!("made no tunnel: {why}")));
    match reply {
        0 => Ok(()),
        1 => passing("it failed, and does not say why"),
        2 => last("its rules do not allow it"),
        3 => passing("the network can't be reached"),
        4 => passing("the host can't be reached"),
        5 => passing("the host refused the connection"),
        6 => passing("the packets took too many hops"),
        7 => last("it knows no CONNECT"),
        8 => last("it knows no addresses of this kind"),
        other => last(&format!("it answered {other}, which SOCKS 5 does not know")),
    }
}

fn is_socks(version: u8) -> Result<(), Refusal> {
    if version == VERSION { Ok(()) } else { Err(no_socks()) }
}

fn no_socks() -> Refusal {
    Refusal::Final("does not speak SOCKS 5; is it another kind of proxy?".to_owned())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> io::Result<()> {
    stream.write_all(message).await?;
    stream.flush().await
}

async fn read<const LENGTH: usize, S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &[u8] = &[5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 80];

    async fn answered(answer: &[u8], target: Target<'_>, with_auth: bool) -> (Result<(), Refusal>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        let credentials = (Secret::new("me".to_owned()), Secret::new("hush".to_owned()));
        let outcome = open(&mut ours, target, with_auth.then_some(&credentials)).await;
        drop(ours);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        (outcome, sent)
    }

    fn name() -> Target<'static> {
        Target::Name("a.b", 443)
    }

    #[tokio::test]
    async fn messages_are_those_of_the_rfcs() {
        let v4 = Target::Address("1.2.3.4:80".parse().unwrap());
        let v6 = Target::Address("[::1]:80".parse().unwrap());
        let (outcome, sent) = answered(OPEN, v4, false).await;
        assert!(outcome.is_ok());
        assert_eq!(sent, [5, 1, 0, 5, 1, 0, 1, 1, 2, 3, 4, 0, 80]);
        let (outcome, sent) = answered(&[&[5, 2, 1, 0][..], &OPEN[2..]].concat(), name(), true).await;
        assert!(outcome.is_ok());
        let expected = b"\x05\x02\x00\x02\x01\x02me\x04hush\x05\x01\x00\x03\x03a.b\x01\xbb";
        assert_eq!(sent, expected);
        let reply = [&[5, 0, 5, 0, 0, 3, 2, b'x', b'y', 0, 80][..], b"tunnel"].concat();
        let (outcome, sent) = answered(&reply, v6, true).await;
        assert!(outcome.is_ok());
        assert_eq!(&sent[4..8], [5, 1, 0, 4], "no password for a proxy that wants none");
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_apart() {
        for (answer, with_auth, words) in [
            (&[][..], false, "Broken"),
            (&[5, 0, 5, 0][..], false, "Broken"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", false, "Final(\"does not speak SOCKS 5"),
            (&[5, 255], true, "Unknown"),
            (&[5, 2], false, "Unknown"),
            (&[5, 2, 1, 1], true, "Unknown"),
            (&[5, 0, 5, 1, 0, 1], false, "Passing(\"made no tunnel: it failed"),
            (&[5, 0, 5, 2, 0, 1], false, "Final(\"made no tunnel: its rules"),
            (&[5, 0, 5, 5, 0, 1], false, "Passing(\"made no tunnel: the host refused"),
            (&[5, 0, 5, 8, 0, 1], false, "Final"),
            (&[5, 0, 5, 99, 0, 1], false, "Final(\"made no tunnel: it answered 99"),
            (&[5, 0, 5, 0, 0, 9], false, "Final(\"does not speak SOCKS 5"),
        ] {
            let refusal = format!("{:?}", answered(answer, name(), with_auth).await.0.unwrap_err());
            assert!(refusal.starts_with(words), "{answer:?}: {refusal}");
        }
        let long = "x".repeat(256);
        let refusal = answered(OPEN, Target::Name(&long, 80), false).await.0.unwrap_err();
        assert!(matches!(refusal, Refusal::Final(_)), "{refusal:?}");
    }
}
