//! Discovery.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tutk_bindings::tutk_session::{DiscoveryPlan, DiscoveryScope, Target};
use tutk_runtime::{Discovery, interfaces};

use crate::capture::address;
use crate::runtime;

/// Address, UID, dialect and round trip in seconds of a camera.
type Found = (String, String, String, f64);

/// Returns the cameras that answered. Blocks until the time limit is over.
#[pyfunction]
#[pyo3(signature = (timeout, target))]
pub(crate) fn discover(py: Python<'_>, timeout: f64, target: Option<&str>) -> PyResult<Vec<Found>> {
    let scope = match target {
        None => DiscoveryScope::everywhere(),
        Some(target) => Target {
            address: address(target)?,
            uid: Default::default(),
            auth_key: None,
        }
        .into(),
    };
    let limit = runtime::limit(timeout)?;
    let search = async {
        let plan = DiscoveryPlan::new([scope], &interfaces());
        let mut discovery = Discovery::start(plan, limit)?;
        let mut found = Vec::new();
        while let Some(camera) = discovery.next().await {
            found.push((
                camera.address.to_string(),
                camera.uid.to_string(),
                camera.dialect.name.to_string(),
                camera.round_trip.as_secs_f64(),
            ));
        }
        Ok(found)
    };
    let found: Result<_, tutk_runtime::Error> = runtime::wait(py, None, search)?;
    found.map_err(|error| PyOSError::new_err(error.to_string()))
}
