//! Which values a component has where: each environment may give its own.

use mainstay_model::Tags;

use super::{Component, Environment, Workload};

/// What a component is on one host.
#[derive(Clone, Debug, PartialEq)]
pub enum OnHost<'a> {
    /// It does not run there.
    No,
    /// It runs there with these values.
    Yes {
        /// The environment the host belongs to; `None` if the workload has none.
        environment: Option<&'a str>,
        /// The component with the environment's values.
        component: &'a Component,
    },
    /// The host belongs to several environments that give the component different values, so nobody can say with which
    /// it should run.
    Ambiguous {
        /// The environments.
        environments: Vec<&'a str>,
    },
}

impl Workload {
    /// The environments that hosts with these tags belong to, by name.
    pub fn environments_of<'a>(&'a self, tags: &Tags) -> impl Iterator<Item = (&'a str, &'a Environment)> {
        self.environments
            .iter()
            .filter(|(_, environment)| environment.hosts.matches(tags))
            .map(|(name, environment)| (name.as_str(), environment))
    }

    /// A component with the values it has in an environment; with `None` those it has where none gives others.
    pub fn component_in(&self, environment: Option<&str>, name: &str) -> Option<&Component> {
        environment
            .and_then(|environment| self.environments.get(environment)?.components.get(name))
            .or_else(|| self.components.get(name))
    }

    /// Whether a component runs on hosts with these tags, and with which values. A workload without environments runs
    /// on any host.
    pub fn on_host<'a>(&'a self, name: &str, tags: &Tags) -> OnHost<'a> {
        if self.environments.is_empty() {
            return match self.components.get(name).filter(|component| component.hosts.matches(tags)) {
                Some(component) => OnHost::Yes { environment: None, component },
                None => OnHost::No,
            };
        }
        let mut found: Vec<(&str, &Component)> = Vec::new();
        for (environment, _) in self.environments_of(tags) {
            let component = self.component_in(Some(environment), name);
            found.extend(component.filter(|one| one.hosts.matches(tags)).map(|one| (environment, one)));
        }
        match found.split_first() {
            None => OnHost::No,
            Some(((environment, component), rest)) if rest.iter().all(|(_, other)| other == component) => {
                OnHost::Yes { environment: Some(environment), component }
            }
            Some(_) => OnHost::Ambiguous { environments: found.into_iter().map(|(name, _)| name).collect() },
        }
    }

    /// The workload as it is in one environment: that environment's components, and no other environment. `None` if
    /// there is no such environment.
    pub fn resolved(&self, environment: &str) -> Option<Self> {
        let one = self.environments.get(environment)?;
        let mut out = self.clone();
        out.components.extend(one.components.clone());
        out.variables.extend(one.variables.clone());
        out.environments.retain(|name, _| name == environment);
        Some(out)
    }

    /// The tags of a component in an environment: its own over the environment's over the workload's.
    pub fn tags_of(&self, environment: Option<&str>, component: &str) -> Tags {
        let mut tags = self.tags.clone();
        if let Some(one) = environment.and_then(|name| self.environments.get(name)) {
            tags.0.extend(one.tags.0.clone());
        }
        if let Some(one) = self.component_in(environment, component) {
            tags.0.extend(one.tags.0.clone());
        }
        tags
    }
}
