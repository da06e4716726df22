//! Where servers may listen.

use std::net::SocketAddr;

use crate::accounts::Accounts;
use crate::error::Error;

/// Whether a server may listen there: on an address that others than this machine reach, only if they have to say who
/// they are, or if it was said that everybody may watch. [`HttpServer`](crate::HttpServer) holds to it; whoever starts
/// an [`RtspServer`](crate::RtspServer) asks here first.
///
/// ```
/// use tutk_serve::{Accounts, check_listen};
///
/// let nobody = Accounts::none();
/// assert!(check_listen("127.0.0.1:8554".parse()?, &nobody, false).is_ok());
/// assert!(check_listen("0.0.0.0:8554".parse()?, &nobody, false).is_err());
/// assert!(check_listen("0.0.0.0:8554".parse()?, &nobody, true).is_ok());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Errors
/// [`Error::Open`].
pub fn check_listen(
    listen: SocketAddr,
    accounts: &Accounts,
    allow_open: bool,
) -> Result<(), Error> {
    let own = listen.ip().to_canonical().is_loopback();
    if own || allow_open || !accounts.is_open() {
        return Ok(());
    }
    Err(Error::Open(listen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_needs_no_accounts() {
        let mut some = Accounts::none();
        some.add("anna", "secret").unwrap();
        for (address, own) in [
            ("127.0.0.1:80", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("192.168.1.2:80", false),
            ("[::ffff:192.168.1.2]:80", false),
            ("[fe80::1]:80", false),
        ] {
            let listen = address.parse().unwrap();
            let nobody = Accounts::none();
            assert_eq!(
                check_listen(listen, &nobody, false).is_ok(),
                own,
                "{address}"
            );
            assert!(check_listen(listen, &nobody, true).is_ok());
            assert!(check_listen(listen, &some, false).is_ok());
        }
        let error = check_listen(([0, 0, 0, 0], 80).into(), &Accounts::none(), false);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("0.0.0.0:80") && text.contains("add one"),
            "{text}"
        );
    }
}
