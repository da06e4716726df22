//! The native part of the Python package `tutk`. The package's own modules wrap it.
#![allow(
    missing_docs,
    reason = "the documentation is in Python: python/tutk/_tutk.pyi and __init__.py"
)]

mod camera;
mod capture;
mod discovery;
mod error;
mod frame;
mod json;
mod runtime;
mod simulator;

use pyo3::prelude::*;

#[pymodule]
fn _tutk(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    error::add_to(module)?;
    module.add_class::<frame::Frame>()?;
    module.add_class::<camera::Session>()?;
    module.add_class::<capture::Dissection>()?;
    module.add_class::<simulator::SimulatedCamera>()?;
    for function in [
        wrap_pyfunction!(json::parse_url, py)?,
        wrap_pyfunction!(json::controls, py)?,
        wrap_pyfunction!(json::request, py)?,
        wrap_pyfunction!(json::describe_answer, py)?,
        wrap_pyfunction!(capture::dissect_datagram, py)?,
        wrap_pyfunction!(discovery::discover, py)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
