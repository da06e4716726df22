//! Names the shared library by its ABI version.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(os.as_str(), "linux" | "freebsd") {
        // The number is TUTK_ABI_VERSION.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libtutk.so.1");
    }
}
