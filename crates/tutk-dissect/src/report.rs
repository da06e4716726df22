//! The report file of `tutk doctor`: a ZIP file with a redacted capture and what was observed.

use std::io::{Read, Seek, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::Error;

/// The names of the files in a report.
mod name {
    pub(super) const TEXT: &str = "report.txt";
    pub(super) const JSON: &str = "report.json";
    pub(super) const CAPTURE: &str = "capture.pcapng";
}

/// The first bytes of a ZIP file with at least one file in it.
pub const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// The longest capture that [`Report::read`] accepts, in bytes.
pub const MAX_CAPTURE: u64 = 256 << 20;

/// The longest text that [`Report::read`] accepts, in bytes.
pub const MAX_TEXT: u64 = 16 << 20;

/// A report.
///
/// ```
/// use std::io::Cursor;
/// use tutk_dissect::report::Report;
///
/// let report = Report { text: "no answer".into(), json: "{}".into(), capture: Vec::new() };
/// let mut file = Cursor::new(Vec::new());
/// report.write(&mut file)?;
/// assert_eq!(Report::read(file)?, report);
/// # Ok::<(), tutk_dissect::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// For people.
    pub text: String,
    /// One JSON object: the output of `tutk doctor --json`.
    pub json: String,
    /// A capture in pcapng format, with the keys that decrypt it. Empty if nothing was captured.
    pub capture: Vec<u8>,
}

impl Report {
    /// Writes the ZIP file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, file: impl Write + Seek) -> Result<(), Error> {
        let mut zip = ZipWriter::new(file);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, bytes) in [
            (name::TEXT, self.text.as_bytes()),
            (name::JSON, self.json.as_bytes()),
            (name::CAPTURE, &self.capture),
        ] {
            zip.start_file(name, options).map_err(io_error)?;
            zip.write_all(bytes)?;
        }
        zip.finish().map_err(io_error)?;
        Ok(())
    }

    /// Reads a ZIP file. Files with other names are ignored, and missing ones are empty.
    ///
    /// # Errors
    /// [`Error::NotAReport`] if it is not a ZIP file or contains no capture;
    /// [`Error::ReportTooLong`]; [`Error::Io`].
    pub fn read(file: impl Read + Seek) -> Result<Self, Error> {
        let mut zip = ZipArchive::new(file).map_err(|_| Error::NotAReport)?;
        if zip.index_for_name(name::CAPTURE).is_none() {
            return Err(Error::NotAReport);
        }
        let mut text = |name| {
            let bytes = read_file(&mut zip, name, MAX_TEXT)?;
            Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Self {
            text: text(name::TEXT)?,
            json: text(name::JSON)?,
            capture: read_file(&mut zip, name::CAPTURE, MAX_CAPTURE)?,
        })
    }
}

/// Returns a file, or nothing if there is no file with this name.
fn read_file(
    zip: &mut ZipArchive<impl Read + Seek>,
    name: &'static str,
    max: u64,
) -> Result<Vec<u8>, Error> {
    let file = match zip.by_name(name) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Ok(Vec::new()),
        Err(error) => return Err(io_error(error)),
    };
    // The announced size is not trusted.
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(Error::ReportTooLong { name, max });
    }
    Ok(bytes)
}

fn io_error(error: ZipError) -> Error {
    Error::Io(error.into())
}
