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
        "subtype": url.subtype.map(Subtype::name),
        "user_id": url.user.is_some(),
    }))
}
