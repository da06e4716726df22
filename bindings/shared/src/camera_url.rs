//! A camera's address as JSON.

use serde_json::{Value, json};
use tutk_session::{CameraUrl, Subtype, UrlError};

/// Parses a camera's address. The JSON contains no secret: neither ENR nor AuthKey.
///
/// # Errors
/// [`UrlError`] names the missing or malformed part.
pub fn parse_url(text: &str) -> Result<Value, UrlError> {
    let url: CameraUrl = text.parse()?;
    let credentials = &url.credentials;
    let station = credentials.base_station.as_ref();
    Ok(json!({
        "host": url.host,
        "port": url.port,
        "uid": credentials.uid.to_string(),
        "mac": credentials.mac.map(|mac| mac.to_string()),
        "parent_mac": station.map(|station| station.mac.to_string()),
        "model": url.model,
        "subtype": url.subtype.and_then(subtype_name),
        "user_id": url.user.is_some(),
    }))
}

fn subtype_name(subtype: Subtype) -> Option<&'static str> {
    Some(match subtype {
        Subtype::Hd => "hd",
        Subtype::Sd => "sd",
        Subtype::P720 => "720p",
        Subtype::P1080 => "1080p",
        Subtype::TwoK => "2k",
        _ => return None,
    })
}
