//! Which assets a selection means (the language is the crate `select`'s).

use cofferdam_select::{ASSETS, Graph, GraphBuilder, Problem, Shape, parse};

use super::{AssetGraph, AssetIdx};

impl AssetGraph {
    /// The assets that any of some texts selects, in the order of the graph. External ones are selected only
    /// if they are named in a way that means them too (`key:`, `owner:`, `is:external`). All that is wrong is
    /// told together: what does not parse, otherwise what is unknown or selects nothing.
    pub fn select<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<AssetIdx>, Vec<Problem>> {
        let selected = parse(texts, &ASSETS)?.evaluate(&self.selectable())?;
        let idx = |node| AssetIdx(u32::try_from(node).expect("a node's number is an asset's"));
        Ok(selected.into_iter().map(idx).collect())
    }

    /// The graph as the language of selections sees it; node `n` is asset `n`.
    pub fn selectable(&self) -> Graph {
        let mut graph = GraphBuilder::new(&ASSETS, Shape::Keys);
        for attribute in ["group", "owner", "tag", "kind", "is"] {
            graph.knows(attribute);
        }
        for asset in self.assets() {
            let node = graph.node(&asset.key.to_string());
            graph.attribute(node, "group", asset.group.as_str());
            for owner in &asset.owners {
                graph.attribute(node, "owner", owner);
            }
            for kind in &asset.kinds {
                graph.attribute(node, "kind", kind);
            }
            for (tag, value) in &asset.tags {
                graph.pair(node, "tag", tag, value);
            }
            if self.maker(asset.maker).external {
                graph.attribute(node, "is", "external");
                graph.outside(node);
            } else {
                graph.attribute(node, "is", "materializable");
            }
        }
        for asset in self.indices() {
            for upstream in self.upstream(asset) {
                graph.edge(upstream.0 as usize, asset.0 as usize);
            }
        }
        graph.build()
    }
}
