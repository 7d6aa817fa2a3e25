// What the pages of assets ask.

const ERROR = "... on Error { __typename message }";
const MADE = "runId stepKey timestamp partition codeVersion dataVersion cursor metadataEntries { name kind text }";
const CAUSE = "category reason";

export const ASSETS = `query Assets { answer: assetNodes { ${ERROR} ... on AssetNodes { __typename nodes {
  assetKey { path } location description groupName owners kinds tags { key value } isPartitioned staleStatus staleCauses { ${CAUSE} }
  partitionStats { numPartitions numFresh numStale numMissing } codeVersion dependencyKeys { path } dependedByKeys { path }
  latestMaterialization { ${MADE} }
} } } }`;

export const ASSET_HISTORY = `query AssetHistory($key: [String!]!, $location: String, $before: String, $limit: Int!) {
  answer: assetNodeOrError(assetKey: { path: $key }, location: $location) { ${ERROR} ... on AssetNode { __typename
    assetMaterializations(before: $before, limit: $limit) { ${MADE} }
    assetCheckEvaluations(limit: $limit) { checkName runId timestamp partition success severity metadataEntries { name kind text } }
  } }
}`;

export const ASSET_PARTITIONS = `query AssetPartitions($key: [String!]!, $location: String) {
  answer: assetPartitions(assetKey: { path: $key }, location: $location) { ${ERROR} ... on AssetPartitions { __typename results {
    partition staleStatus staleCauses { ${CAUSE} } staleRoots { assetKey { path } partition category }
  } } }
}`;
