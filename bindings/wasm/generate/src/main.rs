//! Writes the JavaScript and the types of a module that was compiled with wasm-bindgen, as the
//! program wasm-bindgen does. Cargo can install this from the registry, without a download of its
//! own.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = &args[..] else {
        eprintln!("usage: tutk-wasm-generate MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    let mut generator = Bindgen::new();
    let written = generator.web(true).and_then(|generator| {
        generator
            .input_path(module)
            .typescript(true)
            // Browsers load the module from the same folder.
            .omit_default_module_path(false)
            .generate(folder)
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
