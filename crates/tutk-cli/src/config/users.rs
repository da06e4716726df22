//! `[users]`: accounts with their passwords, roles and cameras.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tutk_serve::{Account, Accounts, Role};
use zeroize::Zeroizing;

use super::host::quoted;
use super::reader::{Reader, Section};
use crate::secret_text::SecretText;

/// The keys of a user's table.
const KEYS: [&str; 3] = ["password", "role", "cameras"];

/// `[users]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Users(Vec<User>);

#[derive(Debug, Clone, PartialEq)]
struct User {
    name: String,
    password: SecretText,
    role: Role,
    /// `None` for all cameras.
    cameras: Option<Vec<String>>,
}

impl User {
    fn account(&self) -> Result<Account, tutk_serve::Error> {
        let account = Account::new(&self.name, self.password.reveal())?.with_role(self.role);
        Ok(match &self.cameras {
            Some(cameras) => account.with_cameras(cameras.clone()),
            None => account,
        })
    }
}

impl Users {
    pub(crate) fn accounts(&self) -> Result<Accounts, tutk_serve::Error> {
        let mut accounts = Accounts::none();
        for user in &self.0 {
            accounts.add_account(user.account()?);
        }
        Ok(accounts)
    }

    /// Returns the names of users whose passwords are not hashed.
    pub(crate) fn with_plain_passwords(&self) -> Vec<&str> {
        let plain = |user: &&User| user.account().is_ok_and(|one| one.has_plain_password());
        self.0
            .iter()
            .filter(plain)
            .map(|user| user.name.as_str())
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the password of a user, or its hash.
    fn password(&self, name: &str) -> Option<&str> {
        let user = self.0.iter().find(|user| user.name == name)?;
        Some(user.password.reveal())
    }
}

/// Reads `[users]`, in which each key is a name. `cameras` are the names of all cameras.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    cameras: &[String],
) -> Users {
    let mut users = Vec::new();
    let mut entries: Vec<_> = section.table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        let user = match value.get_ref() {
            DeValue::Table(_) => reader
                .table(value, name)
                .and_then(|table| from_table(reader, name, &table, cameras)),
            _ => reader.secret(section, name).map(|password| User {
                name: name.to_owned(),
                password: password.into_inner(),
                role: Role::Admin,
                cameras: None,
            }),
        };
        let Some(user) = user else { continue };
        let at = value.span().start;
        if user.password.reveal().is_empty() {
            reader.mistake(at, Some(name), "the password must not be empty");
        } else if let Err(error) = user.account() {
            reader.mistake(at, Some(name), error.to_string());
        } else {
            users.push(user);
        }
    }
    Users(users)
}

fn from_table<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    table: &Section<'a>,
    known: &[String],
) -> Option<User> {
    reader.no_other_keys(table, &KEYS);
    let role = reader.parsed(table, "role", |text| {
        Role::by_name(text).ok_or("role must be `view`, `control` or `admin`")
    });
    let cameras = table.place("cameras").map(|at| {
        let cameras = reader.texts(table, "cameras");
        if let Some(unknown) = cameras.iter().find(|name| !known.contains(name)) {
            let what = format!("there is no camera {unknown:?} in the file");
            reader.mistake(at, Some("cameras"), what);
        }
        cameras
    });
    if table.place("password").is_none() {
        let what = format!("the user {name:?} lacks `password`");
        reader.mistake(table.start(), Some(name), what);
    }
    Some(User {
        name: name.to_owned(),
        password: reader.secret(table, "password")?.into_inner(),
        role: role.unwrap_or(Role::Admin),
        cameras,
    })
}

/// Returns the text with another password of a user, who is added if there is none. Everything else
/// stays.
///
/// # Errors
/// Says why the text cannot be changed.
pub(super) fn with_password(
    text: &str,
    name: &str,
    hash: &str,
) -> Result<Zeroizing<String>, String> {
    let document = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
    let users = document.get_ref().get("users");
    let users = users.and_then(|users| users.get_ref().as_table());
    let password = match users.and_then(|users| users.get(name)) {
        Some(user) => match user.get_ref() {
            DeValue::Table(table) => table.get("password"),
            _ => Some(user),
        },
        None => return Ok(with_user(text, name, hash)),
    };
    let span = password
        .map(Spanned::span)
        .ok_or_else(|| format!("the user {name:?} has a table without `password`"))?;
    let (before, rest) = text.split_at_checked(span.start).unwrap_or((text, ""));
    let after = rest.get(span.len()..).unwrap_or_default();
    let hash = quoted(hash);
    Ok(Zeroizing::new(format!("{before}{}{after}", *hash)))
}

/// Adds a user below the header `[users]`, or at the end with the header.
fn with_user(text: &str, name: &str, hash: &str) -> Zeroizing<String> {
    let entry = format!("{} = {}\n", *quoted(name), *quoted(hash));
    // Not moved while it grows, because the old memory would not be zeroed.
    let len = text.len() + entry.len() + "\n\n[users]\n".len();
    let mut changed = Zeroizing::new(String::with_capacity(len));
    let mut lines = text.split_inclusive('\n');
    for line in lines.by_ref() {
        changed.push_str(line);
        let code = line.split('#').next().unwrap_or_default();
        if code.split_whitespace().collect::<String>() == "[users]" {
            if !line.ends_with('\n') {
                changed.push('\n');
            }
            changed.push_str(&entry);
            changed.extend(lines);
            return changed;
        }
    }
    if !changed.is_empty() && !changed.ends_with('\n') {
        changed.push('\n');
    }
    if !changed.is_empty() {
        changed.push('\n');
    }
    changed.push_str("[users]\n");
    changed.push_str(&entry);
    changed
}

/// Returns `true` if the user has this password.
pub(super) fn has_password(users: &Users, name: &str, hash: &str) -> bool {
    users.password(name) == Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_replaced_in_place() {
        for (text, expected) in [
            ("", "[users]\n\"ben\" = \"$h\"\n"),
            (
                "[serve]\nhttp = \"off\"",
                "[serve]\nhttp = \"off\"\n\n[users]\n\"ben\" = \"$h\"\n",
            ),
            (
                "[users] # who\nanna = \"x\"\n",
                "[users] # who\n\"ben\" = \"$h\"\nanna = \"x\"\n",
            ),
            (
                "[users]\nben = 'old' # him\n",
                "[users]\nben = \"$h\" # him\n",
            ),
            (
                "[users]\nben = { role = \"view\", password = \"${BEN}\" }\n",
                "[users]\nben = { role = \"view\", password = \"$h\" }\n",
            ),
            (
                "[users.ben]\npassword = \"old\"\nrole = \"view\"\n",
                "[users.ben]\npassword = \"$h\"\nrole = \"view\"\n",
            ),
        ] {
            let changed = with_password(text, "ben", "$h").unwrap();
            assert_eq!(*changed, expected);
        }
        assert!(with_password("[users]\nben = {}\n", "ben", "$h").is_err());
        assert!(with_password("[users\n", "ben", "$h").is_err());
    }
}
