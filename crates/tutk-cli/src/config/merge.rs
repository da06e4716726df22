//! Merges an account's cameras into the file. Replaces keys in place and keeps all other bytes.

use std::net::IpAddr;
use std::ops::Range;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tutk_runtime::tutk_session::{CameraUrl, Mac, derive_auth_key};
use zeroize::Zeroizing;

use super::host::quoted;
use super::names::{name_for, unique};
use super::parameter::{decode, encode, parameter};
use super::reader::line_of;
use super::variables::{Environment, Form, resolve};
use crate::secret_text::SecretText;
use crate::table::printable;

/// The first line of a new file.
const HEADER: &str = "# Named cameras of tutk. docs/cameras.md describes this file.\n";

/// A camera of the account.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) nickname: String,
    pub(crate) host: String,
    pub(crate) uid: String,
    pub(crate) enr: SecretText,
    pub(crate) mac: Mac,
    pub(crate) model: Option<String>,
    /// ENR and MAC of the base station.
    pub(crate) parent: Option<(SecretText, Mac)>,
}

/// The change to an entry of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// The name in the file, which may contain the camera more than once.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) change: Change,
    /// The host in the file, if it is an IP address other than the account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other_host: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", content = "keys", rename_all = "lowercase")]
pub(crate) enum Change {
    New,
    /// These keys were updated.
    Updated(Vec<&'static str>),
    Same,
}

/// Returns the merged text and the changes for each camera.
///
/// # Errors
/// Describes the error in the text and its line. Nothing must be written then.
pub(super) fn merge(
    text: &str,
    offers: &[Offer],
    environment: Environment<'_>,
) -> Result<(Zeroizing<String>, Vec<Vec<Outcome>>), String> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        format!("line {}: {}", line_of(text, at), error.message())
    })?;
    let entries = entries(document.get_ref()).map_err(|at| {
        format!(
            "line {}, key `cameras`: expected a table",
            line_of(text, at)
        )
    })?;
    let mut taken: Vec<String> = entries.iter().map(|entry| entry.name.to_owned()).collect();
    let mut edits = Vec::new();
    let mut new = Zeroizing::new(String::new());
    let mut outcomes = Vec::new();
    for offer in offers {
        let known: Vec<_> = entries
            .iter()
            .filter(|entry| {
                let uid = entry.part("uid", environment);
                uid.is_some_and(|uid| uid.reveal().eq_ignore_ascii_case(&offer.uid))
            })
            .collect();
        if known.is_empty() {
            let name = unique(&name_for(&offer.nickname), &taken);
            write_new(&mut new, &name, offer);
            outcomes.push(vec![Outcome {
                name: name.clone(),
                change: Change::New,
                other_host: None,
            }]);
            taken.push(name);
            continue;
        }
        let updated = known.iter().map(|entry| {
            let keys = entry.update(offer, environment, &mut edits);
            Outcome {
                name: entry.name.to_owned(),
                change: if keys.is_empty() {
                    Change::Same
                } else {
                    Change::Updated(keys)
                },
                other_host: entry.other_host(offer, environment),
            }
        });
        outcomes.push(updated.collect());
    }
    let mut merged = apply(text, edits);
    if !new.is_empty() {
        if merged.trim().is_empty() {
            *merged = HEADER.to_owned();
        } else if !merged.ends_with('\n') {
            merged.push('\n');
        }
        *merged += &new;
    }
    // TOML does not allow adding tables to an inline table.
    match DeTable::parse(&merged) {
        Ok(_) => Ok((merged, outcomes)),
        Err(_) => Err("key `cameras`: nothing can be added to a table in braces; \
             write each camera as a table of its own, [cameras.NAME]"
            .to_owned()),
    }
}

/// A camera of the file.
struct Entry<'a> {
    name: &'a str,
    table: &'a DeTable<'a>,
}

/// A range of the text and its replacement.
struct Edit {
    span: Range<usize>,
    text: Zeroizing<String>,
}

/// Returns all tables. The error is the position of another value.
fn entries<'a>(document: &'a DeTable<'a>) -> Result<Vec<Entry<'a>>, usize> {
    let Some(cameras) = document.get("cameras") else {
        return Ok(Vec::new());
    };
    let table = cameras.get_ref().as_table().ok_or(cameras.span().start)?;
    let entries = table.iter().filter_map(|(name, value)| {
        Some(Entry {
            name: name.get_ref().as_ref(),
            table: value.get_ref().as_table()?,
        })
    });
    Ok(entries.collect())
}

impl<'a> Entry<'a> {
    /// Returns a part of the camera, from `url` or from its own key.
    fn part(&self, key: &str, environment: Environment<'_>) -> Option<SecretText> {
        if let Some((url, _)) = self.text("url") {
            let url = resolve(url, environment).ok()?;
            let value = parameter(url.reveal(), key).and_then(|place| url.reveal().get(place));
            if let Some(value) = value {
                return Some(decode(value).into());
            }
        }
        resolve(self.text(key)?.0, environment).ok()
    }

    /// Replaces the keys that differ. Missing keys and environment variables stay.
    fn update(
        &self,
        offer: &Offer,
        environment: Environment<'_>,
        edits: &mut Vec<Edit>,
    ) -> Vec<&'static str> {
        let part = |key| self.part(key, environment);
        let enr_differs =
            |key, enr: &SecretText| part(key).is_some_and(|known| known.reveal() != enr.reveal());
        let mac_differs = |key, mac: &Mac| {
            part(key).is_some_and(|known| known.reveal().parse().ok().as_ref() != Some(mac))
        };
        let mut wanted = vec![
            ("enr", offer.enr.clone(), enr_differs("enr", &offer.enr)),
            (
                "mac",
                offer.mac.to_string().into(),
                mac_differs("mac", &offer.mac),
            ),
        ];
        if let Some((enr, mac)) = &offer.parent {
            let differs = enr_differs("parent_enr", enr);
            wanted.push(("parent_enr", enr.clone(), differs));
            let differs = mac_differs("parent_mac", mac);
            wanted.push(("parent_mac", mac.to_string().into(), differs));
        }
        // The AuthKey follows from ENR and MAC and is kept if it stands alone.
        let (enr, mac) = match &offer.parent {
            Some((enr, mac)) => (enr, mac),
            None => (&offer.enr, &offer.mac),
        };
        let auth_key = derive_auth_key(enr.reveal(), mac);
        let auth_key = String::from_utf8_lossy(&auth_key.0).into_owned();
        let differs = wanted.iter().any(|(.., differs)| *differs);
        wanted.push(("auth_key", auth_key.into(), differs));
        let mut url = self
            .plain("url")
            .map(|(url, span)| (Zeroizing::new(url.to_owned()), span));
        let mut url_differs = false;
        let mut keys = Vec::new();
        for (key, value, _) in wanted.into_iter().filter(|(.., differs)| *differs) {
            let in_url = url.as_ref().and_then(|(url, _)| parameter(url, key));
            if let (Some(place), Some((url, _))) = (in_url, &mut url) {
                url.replace_range(place, &encode(value.reveal()));
                url_differs = true;
            } else if let Some((_, span)) = self.plain(key) {
                let text = quoted(value.reveal());
                edits.push(Edit { span, text });
            } else {
                continue;
            }
            keys.push(key);
        }
        if let Some((url, span)) = url.filter(|_| url_differs) {
            let text = quoted(&url);
            edits.push(Edit { span, text });
        }
        keys
    }

    /// Returns the host if it is an IP address other than the account's.
    fn other_host(&self, offer: &Offer, environment: Environment<'_>) -> Option<String> {
        let host = match self.text("host") {
            Some((host, _)) => host.to_owned(),
            None => {
                let url = resolve(self.text("url")?.0, environment).ok()?;
                let enr = Some(offer.enr.reveal());
                CameraUrl::parse_with_enr(url.reveal(), enr).ok()?.host?
            }
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        (is_address && host != offer.host).then_some(host)
    }

    /// Returns text that is written in the file itself.
    fn plain(&self, key: &str) -> Option<(&'a str, Range<usize>)> {
        self.text(key)
            .filter(|(text, _)| Form::of(text) == Form::Plain)
    }

    fn text(&self, key: &str) -> Option<(&'a str, Range<usize>)> {
        let value: &'a Spanned<DeValue<'a>> = self.table.get(key)?;
        Some((value.get_ref().as_str()?, value.span()))
    }
}

/// Returns a new table for a camera.
fn write_new(to: &mut String, name: &str, offer: &Offer) {
    let mut line = |text: &str| {
        *to += text;
        to.push('\n');
    };
    line("");
    if name != offer.nickname {
        line(&format!("# {}", printable(&offer.nickname)));
    }
    line(&format!("[cameras.{name}]"));
    let mac = offer.mac.to_string();
    let parent = offer.parent.as_ref();
    let parent_mac = parent.map(|(_, mac)| mac.to_string());
    for (key, value) in [
        ("host", Some(offer.host.as_str())),
        ("uid", Some(&offer.uid)),
        ("enr", Some(offer.enr.reveal())),
        ("mac", Some(&mac)),
        ("parent_enr", parent.map(|(enr, _)| enr.reveal())),
        ("parent_mac", parent_mac.as_deref()),
        ("model", offer.model.as_deref()),
    ] {
        if let Some(value) = value {
            line(&format!("{key} = {}", *quoted(value)));
        }
    }
}

/// Applies the edits from last to first, so that positions stay valid.
fn apply(text: &str, mut edits: Vec<Edit>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(text.to_owned());
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    for edit in edits {
        text.replace_range(edit.span, &edit.text);
    }
    text
}

#[cfg(test)]
mod tests;
