//! The list of the account's cameras, as text and as JSON.

use serde::Serialize;
use serde_json::Value;
use tutk_cloud::{CloudBaseStation, CloudCamera, Secret};
use tutk_runtime::tutk_session::Credentials;
use tutk_runtime::tutk_session::models::is_unsupported;

use crate::config::{Change, Offer, Outcome, encode};
use crate::models;
use crate::secret_text::SecretText;
use crate::table::printable;

/// A camera as JSON.
#[derive(Serialize)]
struct Described<'a> {
    nickname: &'a str,
    model: Option<&'a str>,
    product: Option<&'a str>,
    ip: Option<&'a str>,
    online: Option<bool>,
    tutk: bool,
    uid: Option<&'a str>,
    mac: Option<&'a str>,
    firmware: Option<&'a str>,
    dtls: Option<bool>,
    p2p_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_mac: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_dtls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_enr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    entries: &'a [Outcome],
}

/// A camera of the account and its entry in `cameras.toml`.
pub(super) struct Listed {
    pub(super) cloud: CloudCamera,
    /// The entry for `cameras.toml`, or the reason why there is none.
    pub(super) offer: Result<Offer, String>,
    /// Its names in the file and the changes there, with --write.
    pub(super) outcomes: Vec<Outcome>,
}

impl Listed {
    pub(super) fn new(cloud: CloudCamera) -> Self {
        Self {
            offer: offer(&cloud),
            cloud,
            outcomes: Vec::new(),
        }
    }

    pub(super) fn header() -> [String; 6] {
        ["NAME", "MODEL", "SOLD AS", "ADDRESS", "ONLINE", "TUTK"].map(str::to_owned)
    }

    pub(super) fn row(&self) -> [String; 6] {
        let cloud = &self.cloud;
        let model = cloud.model.as_deref();
        let yes_or_no = |yes| if yes { "yes" } else { "no" };
        [
            cloud.nickname.as_str(),
            model.unwrap_or("-"),
            model.and_then(models::product).unwrap_or("-"),
            cloud.ip.as_deref().unwrap_or("-"),
            cloud.online.map_or("-", yes_or_no),
            match speaks_tutk(cloud) {
                true if is_without_dtls(cloud) => "no DTLS",
                speaks => yes_or_no(speaks),
            },
        ]
        .map(printable)
    }

    /// Describes the camera, with the ENR only if `keys` is set.
    pub(super) fn describe(&self, keys: bool) -> Value {
        let cloud = &self.cloud;
        let station = cloud.base_station.as_ref();
        let described = Described {
            nickname: &cloud.nickname,
            model: cloud.model.as_deref(),
            product: cloud.model.as_deref().and_then(models::product),
            ip: cloud.ip.as_deref(),
            online: cloud.online,
            tutk: speaks_tutk(cloud),
            uid: cloud.uid.as_deref(),
            mac: cloud.mac.as_deref(),
            firmware: cloud.firmware.as_deref(),
            dtls: cloud.dtls,
            p2p_type: cloud.p2p_type.as_deref(),
            parent_mac: station.map(|station| station.mac.as_str()),
            parent_dtls: station.and_then(|station| station.dtls),
            parent_enr: station
                .and_then(|station| station.enr.as_ref())
                .filter(|_| keys)
                .map(Secret::reveal),
            enr: cloud.enr.as_ref().filter(|_| keys).map(Secret::reveal),
            url: self.address().filter(|_| keys),
            entries: &self.outcomes,
        };
        // Only text and booleans, which cannot fail to serialize.
        serde_json::to_value(described).unwrap_or_default()
    }

    /// Returns the `wyze://` address with the ENR.
    pub(super) fn address(&self) -> Option<String> {
        let offer = self.offer.as_ref().ok()?;
        let host = if offer.host.contains(':') {
            format!("[{}]", offer.host)
        } else {
            offer.host.clone()
        };
        let (uid, enr) = (encode(&offer.uid), encode(offer.enr.reveal()));
        let mut address = format!("wyze://{host}?uid={uid}&enr={enr}&mac={}", offer.mac);
        if let Some((enr, mac)) = &offer.parent {
            address += &format!("&parent_enr={}&parent_mac={mac}", encode(enr.reveal()));
        }
        if let Some(model) = &offer.model {
            address += &format!("&model={}", encode(model));
        }
        Some(address)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = printable(&self.name);
        match &self.change {
            Change::New => write!(f, "{name} is new")?,
            Change::Updated(keys) => write!(f, "{name}: updated {}", keys.join(" and "))?,
            Change::Same => write!(f, "{name}: unchanged")?,
        }
        if let Some(host) = &self.other_host {
            write!(
                f,
                ", address {} kept, although the account has another one",
                printable(host)
            )?;
        }
        Ok(())
    }
}

/// Returns `false` for models of another protocol and for cameras without an address.
fn speaks_tutk(cloud: &CloudCamera) -> bool {
    let other = cloud.model.as_deref().is_some_and(is_unsupported);
    cloud.ip.is_some() && !other
}

/// Returns `true` if neither the camera nor its base station has DTLS.
fn is_without_dtls(cloud: &CloudCamera) -> bool {
    let station = cloud.base_station.as_ref().and_then(|station| station.dtls);
    cloud.dtls == Some(false) && station != Some(true)
}

/// Returns the base station if its keys replace the camera's.
fn base_station(cloud: &CloudCamera) -> Option<&CloudBaseStation> {
    let station = cloud.base_station.as_ref();
    station.filter(|station| station.dtls != Some(false))
}

fn offer(cloud: &CloudCamera) -> Result<Offer, String> {
    if let Some(why) = cloud.model.as_deref().and_then(models::not_tutk) {
        return Err(why);
    }
    let lacks = |what: &str| format!("the account has no {what} for it");
    let host = cloud
        .ip
        .as_deref()
        .ok_or_else(|| "it has no local address; it speaks another protocol".to_owned())?;
    let uid = cloud.uid.as_deref().ok_or_else(|| lacks("UID"))?;
    let enr = cloud.enr.as_ref().ok_or_else(|| lacks("ENR"))?;
    let mac = cloud.mac.as_deref().ok_or_else(|| lacks("MAC"))?;
    let credentials =
        Credentials::new(uid, enr.reveal(), mac).map_err(|error| error.to_string())?;
    let mac = credentials.mac.ok_or_else(|| lacks("MAC"))?;
    if is_without_dtls(cloud) {
        let why = "it is reached without DTLS, which is not documented anywhere public; update its firmware";
        return Err(why.to_owned());
    }
    let parent = base_station(cloud)
        .map(|station| {
            let enr = station.enr.as_ref();
            let enr = enr.ok_or_else(|| lacks("ENR of the base station"))?;
            let behind = credentials.behind_base_station(enr.reveal(), &station.mac);
            let behind = behind.map_err(|error| format!("base station: {error}"))?;
            let parent = behind.base_station.map(|station| station.mac);
            let mac = parent.ok_or_else(|| lacks("MAC of the base station"))?;
            Ok::<_, String>((SecretText::from(enr.reveal().to_owned()), mac))
        })
        .transpose()?;
    Ok(Offer {
        nickname: cloud.nickname.clone(),
        host: host.to_owned(),
        uid: uid.to_owned(),
        enr: enr.reveal().to_owned().into(),
        mac,
        model: cloud.model.clone(),
        parent,
    })
}
