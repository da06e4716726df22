//! Functions that return JSON. The Python part converts it to objects.

use std::time::Duration;

use pyo3::prelude::*;
use tutk_bindings::tutk_session::models::command_context;

use crate::error;

#[pyfunction]
pub(crate) fn parse_url(url: &str) -> PyResult<String> {
    let parsed = tutk_bindings::parse_url(url);
    Ok(parsed.map_err(|error| error::url(&error))?.to_string())
}

#[pyfunction]
pub(crate) fn controls() -> String {
    tutk_bindings::controls().to_string()
}

#[pyfunction]
#[pyo3(signature = (control, values, *, model, unix_millis))]
pub(crate) fn request(
    control: &str,
    values: Vec<String>,
    model: Option<&str>,
    unix_millis: u64,
) -> PyResult<String> {
    let context = command_context(model, Some(Duration::from_millis(unix_millis)));
    let request = tutk_bindings::request(control, &values, &context);
    Ok(request.map_err(|error| error::request(&error))?.to_string())
}

#[pyfunction]
pub(crate) fn describe_answer(
    control: &str,
    values: Vec<String>,
    payload: &[u8],
) -> PyResult<String> {
    let answer = tutk_bindings::describe_answer(control, &values, payload);
    Ok(answer.map_err(|error| error::request(&error))?.to_string())
}
