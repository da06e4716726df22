//! A camera of the list.

use serde::Deserialize;

use crate::Secret;
use crate::lenient::{Lenient, or_none};

/// The `product_type` of a camera.
const CAMERA: &str = "Camera";

/// A camera of the account. Fields that are missing in the response are `None`; none are validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudCamera {
    /// The name that the owner chose. It may be empty.
    pub nickname: String,
    /// `product_model`, such as `HL_CAM4`.
    pub model: Option<String>,
    /// The UID, `p2p_id`.
    pub uid: Option<String>,
    /// The ENR.
    pub enr: Option<Secret>,
    /// The MAC, 12 hex digits. Cameras that speak another protocol have other text here.
    pub mac: Option<String>,
    /// The address in the local network. A camera without an address speaks another protocol.
    pub ip: Option<String>,
    /// `firmware_ver`.
    pub firmware: Option<String>,
    /// `true` if `conn_state` is 1.
    pub online: Option<bool>,
    /// `true` if `dtls` is 1.
    pub dtls: Option<bool>,
    /// `p2p_type`, as text.
    pub p2p_type: Option<String>,
    /// The base station of a battery camera.
    pub base_station: Option<CloudBaseStation>,
}

/// The base station of a battery camera. Its fields are not validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudBaseStation {
    /// `parent_device_mac`.
    pub mac: String,
    /// `parent_device_enr`, otherwise the ENR of the device with that MAC in the list.
    pub enr: Option<Secret>,
    /// `true` if `main_device_dtls` is 1: the camera is reached with the keys of the base station.
    pub dtls: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct Device {
    #[serde(default)]
    product_type: Lenient,
    #[serde(default)]
    mac: Lenient,
    #[serde(default)]
    enr: Lenient,
    #[serde(default)]
    nickname: Lenient,
    #[serde(default)]
    product_model: Lenient,
    #[serde(default)]
    firmware_ver: Lenient,
    #[serde(default)]
    conn_state: Lenient,
    #[serde(default)]
    parent_device_mac: Lenient,
    #[serde(default)]
    parent_device_enr: Lenient,
    #[serde(default, deserialize_with = "or_none")]
    device_params: Option<Parameters>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    p2p_id: Lenient,
    ip: Lenient,
    dtls: Lenient,
    main_device_dtls: Lenient,
    p2p_type: Lenient,
}

impl Device {
    /// Returns the camera, or `None` for another device. `all` is the whole list.
    pub(crate) fn camera(&self, all: &[Self]) -> Option<CloudCamera> {
        if self.product_type.text() != Some(CAMERA) {
            return None;
        }
        let none = Parameters::default();
        let parameters = self.device_params.as_ref().unwrap_or(&none);
        Some(CloudCamera {
            nickname: self.nickname.owned().unwrap_or_default(),
            model: self.product_model.owned(),
            uid: parameters.p2p_id.owned(),
            enr: self.enr.secret(),
            mac: self.mac.owned(),
            ip: parameters.ip.owned(),
            firmware: self.firmware_ver.owned(),
            online: self.conn_state.boolean(),
            dtls: parameters.dtls.boolean(),
            p2p_type: parameters.p2p_type.owned(),
            base_station: self.base_station(all),
        })
    }

    fn base_station(&self, all: &[Self]) -> Option<CloudBaseStation> {
        let mac = self.parent_device_mac.text()?;
        let listed = || all.iter().find(|device| device.mac.text() == Some(mac));
        Some(CloudBaseStation {
            mac: mac.to_owned(),
            enr: (self.parent_device_enr.secret()).or_else(|| listed()?.enr.secret()),
            dtls: (self.device_params.as_ref())
                .and_then(|parameters| parameters.main_device_dtls.boolean()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(json: &str) -> Option<CloudCamera> {
        serde_json::from_str::<Device>(json).unwrap().camera(&[])
    }

    #[test]
    fn camera_is_parsed() {
        let camera = camera(
            r#"{"product_type":"Camera","mac":"AABBCCDDEEFF","enr":"aKzdqckqZ8HUHFe5",
                "nickname":"Front","product_model":"HL_CAM4","firmware_ver":"4.52.9.1",
                "conn_state":1,"more":{"x":[1]},
                "device_params":{"p2p_id":"HSBJYB5HSETGCDWD111A","ip":"192.0.2.7","dtls":1,"p2p_type":4}}"#,
        )
        .unwrap();
        assert!(!format!("{camera:?}").contains("aKzd"));
        assert_eq!(
            camera,
            CloudCamera {
                nickname: "Front".into(),
                model: Some("HL_CAM4".into()),
                uid: Some("HSBJYB5HSETGCDWD111A".into()),
                enr: Some(Secret::new("aKzdqckqZ8HUHFe5")),
                mac: Some("AABBCCDDEEFF".into()),
                ip: Some("192.0.2.7".into()),
                firmware: Some("4.52.9.1".into()),
                online: Some(true),
                dtls: Some(true),
                p2p_type: Some("4".into()),
                base_station: None,
            }
        );
    }

    #[test]
    fn base_station_is_found() {
        let camera = |enr: &str| {
            format!(
                r#"{{"product_type":"Camera","mac":"AABBCCDDEEFF","parent_device_mac":"AABBCCDDEE00",
                    "parent_device_enr":{enr},"device_params":{{"dtls":0,"main_device_dtls":1}}}}"#
            )
        };
        let station =
            r#"{"product_type":"BaseStation","mac":"AABBCCDDEE00","enr":"GkB9S7cX38GgzSC6"}"#;
        for (enr, list, expected) in [
            ("\"TMR7cJksfId730wF\"", station, Some("TMR7cJksfId730wF")),
            ("null", station, Some("GkB9S7cX38GgzSC6")),
            ("\"\"", "{}", None),
        ] {
            let list = format!("[{},{list}]", camera(enr));
            let devices: Vec<Device> = serde_json::from_str(&list).unwrap();
            let camera = devices[0].camera(&devices).unwrap();
            assert!(!format!("{camera:?}").contains("TMR7"));
            let station = camera.base_station.unwrap();
            assert_eq!(station.mac, "AABBCCDDEE00");
            assert_eq!(station.enr, expected.map(Secret::new));
            assert_eq!((camera.dtls, station.dtls), (Some(false), Some(true)));
        }
    }

    #[test]
    fn missing_and_invalid_fields_are_none() {
        let odd = camera(
            r#"{"product_type":"Camera","mac":null,"enr":"","nickname":7,"conn_state":"0",
                "firmware_ver":[1,[2]],"product_model":{"a":{}},
                "device_params":{"ip":"","dtls":2.5,"p2p_type":true}}"#,
        )
        .unwrap();
        assert_eq!((odd.nickname.as_str(), odd.online), ("7", Some(false)));
        let none = (odd.mac, odd.ip, odd.firmware, odd.model, odd.uid);
        assert_eq!(none, (None, None, None, None, None));
        assert_eq!((odd.enr, odd.dtls), (None, None));
        assert_eq!(odd.p2p_type.as_deref(), Some("true"));
        assert!(camera(r#"{"product_type":"Camera"}"#).is_some());
    }

    #[test]
    fn other_devices_are_ignored() {
        for json in ["{}", r#"{"product_type":"Plug","device_params":null}"#] {
            assert_eq!(camera(json), None);
        }
    }

    #[test]
    fn parameters_that_are_no_object_are_missing() {
        let expected = camera(r#"{"product_type":"Camera"}"#);
        for parameters in ["7", "\"x\"", "true", "6.23e-322"] {
            let json = format!(r#"{{"product_type":"Camera","device_params":{parameters}}}"#);
            assert_eq!(camera(&json), expected, "{json}");
        }
    }
}
