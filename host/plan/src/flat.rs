//! A job with its graphs opened: steps that run ops, named by dotted paths, each source an output of such a step.
//! Whether types fit is checked later.

mod connect;
mod open;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{
    AssetKey, DocumentForm, GraphDef, HookDef, Name, Node, OpPath, PartitionMappingDef, SourceDef, Span,
    Spanned, StepDef,
};

/// How deep graphs may lie in each other.
pub(crate) const GRAPH_DEPTH_MAX: usize = 64;

/// What is opened: a job, or a graph that is checked by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outermost<'a> {
    pub(crate) inputs: &'a [Spanned<Name>],
    pub(crate) steps: &'a [StepDef],
    pub(crate) hooks: &'a [HookDef],
    pub(crate) io_manager: Option<&'a Spanned<Name>>,
}

#[derive(Debug, Default)]
pub(crate) struct Flat<'a> {
    /// In the order of definition, a graph's steps where the graph is placed.
    pub(crate) steps: Vec<FlatStep<'a>>,
    /// Graphs and the outermost, which is the first.
    pub(crate) containers: Vec<Container<'a>>,
}

/// An op, placed.
#[derive(Debug)]
pub(crate) struct FlatStep<'a> {
    /// `outer.clean`
    pub(crate) key: String,
    pub(crate) def: &'a StepDef,
    pub(crate) op: &'a OpPath,
    pub(crate) inputs: Vec<(&'a Spanned<Name>, FlatSource<'a>)>,
    pub(crate) after: Vec<usize>,
    /// Its own, then those of the graphs around it, innermost first, then the job's.
    pub(crate) hooks: Vec<&'a HookDef>,
    /// Its own, or else that of the graph or job around it.
    pub(crate) io_manager: Option<&'a Spanned<Name>>,
    pub(crate) bind: BTreeMap<&'a Name, &'a Spanned<Name>>,
    pub(crate) container: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct FlatSource<'a> {
    pub(crate) span: Option<Span>,
    pub(crate) kind: FlatKind<'a>,
}

#[derive(Debug, Clone)]
pub(crate) enum FlatKind<'a> {
    From(FlatPath<'a>),
    FanIn(Vec<FlatPath<'a>>),
    Map(FlatPath<'a>),
    Collect(FlatPath<'a>),
    Value(Cow<'a, Node>),
    File(Cow<'a, Spanned<String>>),
    Files(Cow<'a, Spanned<String>>),
    Document(DocumentForm, Cow<'a, Spanned<String>>),
    Blob(Cow<'a, Spanned<String>>),
    Resource(&'a Name),
    Asset(&'a AssetKey, Option<&'a PartitionMappingDef>),
    /// An input of a graph or of the job that nothing feeds; a run config may.
    Unfed {
        container: usize,
        input: &'a Name,
    },
    /// Reported already.
    Broken,
}

impl FlatKind<'_> {
    /// Whether the value is made in the run.
    pub(crate) fn is_fed_by_steps(&self) -> bool {
        matches!(
            self,
            FlatKind::From(_)
                | FlatKind::FanIn(_)
                | FlatKind::Map(_)
                | FlatKind::Collect(_)
                | FlatKind::Resource(_)
                | FlatKind::Broken
        )
    }

    /// What messages call a source of many values.
    pub(crate) fn many_word(&self) -> Option<&'static str> {
        match self {
            FlatKind::FanIn(_) => Some("a list of steps"),
            FlatKind::Collect(_) => Some("a collected list"),
            FlatKind::Files(_) => Some("many files"),
            _ => None,
        }
    }

    /// The outputs that it names.
    pub(crate) fn paths(&self) -> &[FlatPath<'_>] {
        match self {
            FlatKind::From(path) | FlatKind::Map(path) | FlatKind::Collect(path) => {
                std::slice::from_ref(path)
            }
            FlatKind::FanIn(paths) => paths,
            _ => &[],
        }
    }

    /// What a run config gives. It names no steps.
    pub(crate) fn given(source: &SourceDef) -> FlatKind<'static> {
        match source {
            SourceDef::Value(node) => FlatKind::Value(Cow::Owned(node.clone())),
            SourceDef::File(path) => FlatKind::File(Cow::Owned(path.clone())),
            SourceDef::Files(pattern) => FlatKind::Files(Cow::Owned(pattern.clone())),
            SourceDef::Document(form, path) => FlatKind::Document(*form, Cow::Owned(path.clone())),
            SourceDef::Blob(digest) => FlatKind::Blob(Cow::Owned(digest.clone())),
            _ => FlatKind::Broken,
        }
    }
}

/// An output of a step.
#[derive(Debug, Clone)]
pub(crate) struct FlatPath<'a> {
    pub(crate) step: usize,
    pub(crate) output: &'a Name,
    pub(crate) span: Option<Span>,
}

/// A graph where it is placed.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    /// Empty for the outermost.
    pub(crate) path: String,
    pub(crate) graph: Option<(&'a Name, &'a GraphDef)>,
    /// The step that places it, in its own container.
    pub(crate) placed: Option<(usize, &'a StepDef)>,
    pub(crate) inputs: &'a [Spanned<Name>],
    pub(crate) children: Vec<(&'a StepDef, Child)>,
    by_name: HashMap<&'a Name, usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Child {
    Op(usize),
    Graph(usize),
    /// Reported already.
    Broken,
}

impl<'a> Flat<'a> {
    /// The step and output that an output of a step of the outermost is, through the outputs of graphs.
    pub(crate) fn output_of(&self, step: &Name, output: &'a Name) -> Option<FlatPath<'a>> {
        let (mut container, mut step, mut output) = (0, step, output);
        loop {
            let here = &self.containers[container];
            match here.children[*here.by_name.get(step)?].1 {
                Child::Op(step) => return Some(FlatPath { step, output, span: None }),
                Child::Broken => return None,
                Child::Graph(inner) => {
                    let (_, graph) = self.containers[inner].graph?;
                    let (_, path) = graph.outputs.iter().find(|(name, _)| name.value == *output)?;
                    (container, step, output) = (inner, &path.value.step, &path.value.output);
                }
            }
        }
    }

    /// The leaf steps below a child.
    pub(crate) fn leaves(&self, child: Child, found: &mut Vec<usize>) {
        match child {
            Child::Op(step) => found.push(step),
            Child::Graph(container) => {
                for (_, child) in &self.containers[container].children {
                    self.leaves(*child, found);
                }
            }
            Child::Broken => {}
        }
    }
}
