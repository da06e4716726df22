//! `tutk cloud cameras`: lists the account's cameras and writes their keys to `cameras.toml`.

use super::listing::Listed;
use super::{CAMERAS, Cloud, failure, token};
use crate::args::Global;
use crate::args::cloud::CamerasArgs;
use crate::clock::unix_millis;
use crate::config::{self, Offer};
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::table::{columns, printable};

pub(super) async fn run(
    args: &CamerasArgs,
    global: &Global,
    console: &Console,
    cloud: &mut Cloud<'_>,
) -> Result<(), Failure> {
    let account = token::read(CAMERAS)?;
    let request = account.list_request(unix_millis());
    let answer = cloud.send(CAMERAS, request).await?;
    let cameras = account
        .parse_list(&answer)
        .map_err(|error| failure(CAMERAS, &error))?;
    let mut listed: Vec<_> = cameras.into_iter().map(Listed::new).collect();
    if !global.json {
        show(&listed, args.show_keys);
    }
    let written = if args.write {
        write(&mut listed, global, console, cloud)
    } else {
        Ok(())
    };
    let described = listed.iter().map(|camera| camera.describe(args.show_keys));
    cloud.report.listed = Some(described.collect());
    written
}

fn show(listed: &[Listed], keys: bool) {
    if listed.is_empty() {
        console::print("the account has no cameras");
        return;
    }
    let rows = listed.iter().map(Listed::row);
    console::print(columns(std::iter::once(Listed::header()).chain(rows)));
    if keys {
        let addresses = listed
            .iter()
            .filter_map(|camera| Some([printable(&camera.cloud.nickname), camera.address()?]));
        console::print("");
        console::print(columns(addresses));
    }
}

fn write(
    listed: &mut [Listed],
    global: &Global,
    console: &Console,
    cloud: &mut Cloud<'_>,
) -> Result<(), Failure> {
    let offers: Vec<Offer> = listed
        .iter()
        .filter_map(|camera| camera.offer.as_ref().ok().cloned())
        .collect();
    let (path, outcomes) = config::merge_into(global.config.as_deref(), &offers)?;
    let path = path.display().to_string();
    let mut outcomes = outcomes.into_iter();
    for camera in listed {
        match &camera.offer {
            Ok(_) => {
                camera.outcomes = outcomes.next().unwrap_or_default();
                for outcome in &camera.outcomes {
                    console.line(format_args!("{path}: {outcome}"));
                }
            }
            Err(why) => {
                let name = printable(&camera.cloud.nickname);
                console.line(format_args!("{name} skipped: {}", printable(why)));
            }
        }
    }
    cloud.report.output = Some(path);
    Ok(())
}
