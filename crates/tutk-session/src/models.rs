//! What is known of models below the commands (wire.md sections 7, 12 and 13).

use hl_ioctl::models::is_one_of;

/// Doorbell v1, which takes only TLS_PSK_WITH_AES_128_CBC_SHA256, 0x00AE.
const PLAIN_PSK: &[&str] = &["WYZEDB3"];

/// Bulb Cam, which is known to send lost packets again when it is asked to.
const RESEND: &[&str] = &["HL_BC"];

/// Whether the model is known to do resend mode.
pub(crate) fn does_resend(model: Option<&str>) -> bool {
    is_one_of(model, RESEND)
}

/// Whether the model takes no other DTLS suite than 0x00AE.
pub fn takes_plain_psk_only(model: Option<&str>) -> bool {
    is_one_of(model, PLAIN_PSK)
}
