//! Whose signatures the libraries of a run must carry.

use std::collections::BTreeSet;

use crate::SignerKey;

/// Keys that may sign for some runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    /// For runs in these namespaces; none names all.
    pub namespaces: Option<BTreeSet<String>>,
    pub keys: BTreeSet<SignerKey>,
}

/// The keys of which one must have signed each library of a run in that namespace. None if no rule is for it: then no
/// signature is asked for.
pub fn signers_for(rules: &[Signers], namespace: &str) -> Option<BTreeSet<SignerKey>> {
    let rules =
        rules.iter().filter(|rule| rule.namespaces.as_ref().is_none_or(|names| names.contains(namespace)));
    let keys: Vec<&BTreeSet<SignerKey>> = rules.map(|rule| &rule.keys).collect();
    (!keys.is_empty()).then(|| keys.into_iter().flatten().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_for_a_namespace_adds_its_keys_and_no_rule_asks_for_nothing() {
        let key = |n| SignerKey([n; 32]);
        let of_prod = Signers { namespaces: Some(["prod".to_owned()].into()), keys: [key(1)].into() };
        let of_all = Signers { namespaces: None, keys: [key(2)].into() };
        let nobody = Signers { namespaces: Some(["shut".to_owned()].into()), keys: [].into() };
        assert_eq!(signers_for(&[], "prod"), None);
        assert_eq!(signers_for(std::slice::from_ref(&of_prod), "lab"), None);
        let rules = [of_prod, nobody];
        assert_eq!(signers_for(&rules, "prod"), Some([key(1)].into()));
        assert_eq!(signers_for(&rules, "shut"), Some([].into()), "no key at all is a rule too");
        let [of_prod, _] = rules;
        assert_eq!(signers_for(&[of_prod, of_all], "prod"), Some([key(1), key(2)].into()));
    }
}
