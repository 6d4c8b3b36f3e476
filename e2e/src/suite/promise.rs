//! A promise to users, and how it is kept true: by trying it.

use std::pin::Pin;

use anyhow::Result;

use super::setting::Setting;
use super::world::World;

/// A trial that is under way.
pub type Trial = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One thing that users are told they can rely on.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Short, lower-case, with dashes.
    pub name: &'static str,
    /// One sentence, as it would stand in a README.
    pub about: &'static str,
    /// What may run beside it.
    pub company: Company,
    /// The settings in which it makes sense.
    pub fits: Fits,
    /// Tries it. Whatever was made through the world is removed afterwards.
    pub run: fn(World) -> Trial,
}

/// What may run beside a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Other promises.
    Any,
    /// Nothing: it disturbs the host, or would be disturbed.
    Nobody,
    /// Nothing, and it takes long: left out unless it is asked for.
    NobodyForLong,
    /// The same, and it brings a host of its own.
    OwnHost,
}

impl Company {
    /// Whether it is left out unless it is asked for.
    pub fn takes_long(self) -> bool {
        matches!(self, Company::NobodyForLong | Company::OwnHost)
    }
}

/// The settings in which a promise makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fits {
    /// All, and it is one of the few that are tried in each whenever anything is.
    Smoke,
    /// All.
    All,
    /// All but these, and why.
    AllBut(&'static [Setting], &'static str),
    /// The default only, and why.
    Default(&'static str),
}

impl Promise {
    /// Whether it makes sense in a setting.
    pub fn fits(&self, setting: Setting) -> bool {
        match self.fits {
            Fits::Smoke | Fits::All => true,
            Fits::AllBut(others, _) => !others.contains(&setting),
            Fits::Default(_) => setting == Setting::Sqlite,
        }
    }

    /// Whether one of the words is part of its name; no words mean all promises.
    pub fn matches(&self, words: &[String]) -> bool {
        words.is_empty() || words.iter().any(|word| self.name.contains(word.as_str()))
    }
}
