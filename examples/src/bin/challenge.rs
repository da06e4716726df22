//! Prints the response to a camera's challenge, in hexadecimal.
//! Dependencies: hl-ioctl

use hl_ioctl::{ChallengeRule, ChallengeStatus, Enr, challenge_response};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: challenge ENR CHALLENGE (32 hexadecimal digits)";
    let (Some(enr), Some(text)) = (std::env::args().nth(1), std::env::args().nth(2)) else {
        return Err(usage.into());
    };
    let challenge = u128::from_str_radix(&text, 16)?.to_be_bytes();
    let (rule, status) = (ChallengeRule::Decrypt, ChallengeStatus::Enr);
    let response = challenge_response(rule, status, challenge, &Enr::new(enr)?)?;
    println!("{:032x}", u128::from_be_bytes(response));
    Ok(())
}
