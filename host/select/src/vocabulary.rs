//! Which attributes there are to select by.

/// The words of one kind of graph.
#[derive(Debug)]
pub struct Vocabulary {
    /// What a node is called in messages: `op`.
    pub subject: &'static str,
    /// The first one is the name: it names exactly one node or graph, and an old clause means it.
    pub attributes: &'static [Attribute],
}

/// Something that nodes have, of which one can say a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    /// `*` in a value stands for any text.
    pub wildcards: bool,
    /// Values are pairs: `tag:"key"="value"`.
    pub pairs: bool,
    /// May be absent, so that `<null>` makes sense.
    pub optional: bool,
    /// Also matches nodes that are not part of `*` (external assets).
    pub external: bool,
    /// The values there are; empty if any text may be one.
    pub values: &'static [&'static str],
}

impl Vocabulary {
    /// The attribute that names a node.
    pub fn name(&'static self) -> &'static Attribute {
        self.attributes.first().expect("a vocabulary has a name")
    }

    pub(crate) fn find(&'static self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl Attribute {
    const fn new(name: &'static str) -> Attribute {
        Attribute { name, wildcards: false, pairs: false, optional: true, external: false, values: &[] }
    }
}

/// Ops of a job, by dotted path.
pub static OPS: Vocabulary = Vocabulary { subject: "op", attributes: &[NAME] };

/// Steps of a run, by step key.
pub static STEPS: Vocabulary = Vocabulary {
    subject: "step",
    attributes: &[NAME, Attribute { optional: false, ..Attribute::new("status") }],
};

/// Assets, by key. What external assets match follows Dagster.
pub static ASSETS: Vocabulary = Vocabulary {
    subject: "asset",
    attributes: &[
        Attribute { wildcards: true, optional: false, external: true, ..Attribute::new("key") },
        Attribute { wildcards: true, ..Attribute::new("group") },
        Attribute { external: true, ..Attribute::new("owner") },
        Attribute { pairs: true, ..Attribute::new("tag") },
        Attribute::new("kind"),
        Attribute {
            optional: false,
            external: true,
            values: &["external", "materializable"],
            ..Attribute::new("is")
        },
        Attribute { external: true, ..Attribute::new("code_location") },
        Attribute { external: true, ..Attribute::new("status") },
        Attribute { external: true, ..Attribute::new("partitions") },
        Attribute { external: true, ..Attribute::new("job") },
        Attribute { external: true, ..Attribute::new("schedule") },
        Attribute { external: true, ..Attribute::new("sensor") },
        Attribute { external: true, ..Attribute::new("automation_type") },
        Attribute { external: true, ..Attribute::new("table_name") },
        Attribute { external: true, ..Attribute::new("column") },
        Attribute { pairs: true, external: true, ..Attribute::new("column_tag") },
        Attribute { external: true, ..Attribute::new("changed_in_branch") },
    ],
};

const NAME: Attribute =
    Attribute { wildcards: true, optional: false, external: true, ..Attribute::new("name") };
