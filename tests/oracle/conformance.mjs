// SPDX-License-Identifier: Apache-2.0
// What the C2PA conformance program asks of a generator's manifest (program 0.2, specification 2.4),
// written here from the specification: the program's own rubric is not part of this repository; which
// of its statements each check stands for is listed below. One entry per requirement; "ok", or what is
// wrong. Input is crJSON.
const inception = ['c2pa.created', 'c2pa.opened'];
const nonEditorial = ['c2pa.converted', 'c2pa.published', 'c2pa.repackaged', 'c2pa.transcoded',
  'c2pa.resized.proportional', 'c2pa.enhanced', 'c2pa.edited.metadata', 'c2pa.watermarked',
  'c2pa.watermarked.bound', 'c2pa.watermarked.unbound', 'c2pa.redacted', 'c2pa.placed'];
const actionsOf24 = ['addedText', 'adjustedColor', 'changedSpeed', 'converted', 'created', 'cropped', 'deleted',
  'drawing', 'dubbed', 'edited', 'edited.metadata', 'enhanced', 'filtered', 'mastered', 'mixed', 'opened',
  'orientation', 'placed', 'published', 'redacted', 'remixed', 'removed', 'repackaged', 'resized',
  'resized.proportional', 'transcoded', 'translated', 'trimmed', 'unknown', 'watermarked.bound',
  'watermarked.unbound'].map((a) => `c2pa.${a}`);
const assertionsOf24 = ['hash.data', 'hash.data.part', 'actions.v2', 'ingredient.v3', 'hash.boxes', 'hash.bmff.v3',
  'hash.collection.data', 'soft-binding', 'cloud-data', 'embedded-data', 'metadata', 'certificate-status',
  'asset-ref', 'asset-type.v2', 'hash.multi-asset', 'thumbnail.claim', 'thumbnail.ingredient', 'icon',
  'alternative-content-representation', 'external-reference', 'session-keys', 'environmental-sustainability',
  'repository-receipt', 'ai-disclosure', 'assertion.metadata', 'time-stamp'].map((a) => `c2pa.${a}`);
const parameters = ['redacted', 'ingredients', 'description', 'relatedAssertions', 'sourceLanguage',
  'targetLanguage', 'multipleInstances', 'ranges', 'weight', 'width', 'italic', 'slant', 'optical-size'];

export function conformance(report) {
  const manifest = report.manifests[0];
  const assertions = manifest.assertions ?? {};
  const labels = Object.keys(assertions);
  const values = Object.values(assertions);
  const claim = manifest['claim.v2'] ?? {};
  const lists = values.filter((a) => a?.actions);
  const actions = lists.flatMap((a) => a.actions);
  const ingredients = values.filter((a) => a?.relationship);
  const failures = (manifest.validationResults?.failure ?? []).map((f) => f.code);
  const generator = claim.claim_generator_info?.[0] ?? claim.claim_generator_info ?? {};
  const firstList = (claim.created_assertions ?? []).find((a) => a.url.includes('c2pa.actions'));
  const none = (list) => (list.length === 0 ? 'ok' : JSON.stringify(list));
  const must = (condition, what) => (condition ? 'ok' : what);
  const base = (label) => label.split('__')[0];
  return {
    validation_results_present: must(manifest.validationResults, 'no validation results'),
    no_failure: none(failures),
    label_is_c2pa_urn: must(manifest.label?.startsWith('urn:c2pa:'), manifest.label),
    claim_version_2: must(manifest['claim.v2'], 'no claim.v2'),
    spec_version: must(/^2\.4(\.|$)/.test(generator.specVersion ?? ''), `specVersion ${generator.specVersion}`),
    no_spec_version_in_claim: must(claim.specVersion === undefined, 'specVersion in the claim'),
    actions_are_created_v2: must(firstList?.url.endsWith('c2pa.actions.v2'), JSON.stringify(firstList)),
    inception_first: must(inception.includes(actions[0]?.action), actions[0]?.action),
    inception_once: none(actions.slice(1).filter((a) => inception.includes(a.action)).map((a) => a.action)),
    all_actions_included: none(lists.filter((a) => typeof a.allActionsIncluded !== 'boolean')),
    source_type_where_needed: none(actions.filter((a) => a.action.startsWith('c2pa.')
      && a.action !== 'c2pa.opened' && !nonEditorial.includes(a.action) && !a.digitalSourceType).map((a) => a.action)),
    no_source_type_on_opened: none(actions.filter((a) => a.action === 'c2pa.opened' && a.digitalSourceType)),
    opened_has_one_ingredient: none(actions.filter((a) => a.action === 'c2pa.opened'
      && a.parameters?.ingredients?.length !== 1)),
    opened_alone_is_complete: must(!(actions.length === 1 && actions[0].action === 'c2pa.opened'
      && lists[0].allActionsIncluded !== true), 'opened alone, not complete'),
    known_actions: none(actions.map((a) => a.action).filter((a) => a.startsWith('c2pa.') && !actionsOf24.includes(a))),
    custom_actions_have_a_namespace: none(actions.map((a) => a.action).filter((a) => !a.includes('.'))),
    parameters_are_known: none(actions.flatMap((a) => Object.keys(a.parameters ?? {}))
      .filter((p) => !parameters.includes(p) && !p.includes('.'))),
    no_legacy_parameters: none(actions.filter((a) => a.parameters?.description || a.parameters?.ingredient)),
    known_assertions: none(labels.filter((l) => l.startsWith('c2pa.') && !assertionsOf24.includes(base(l)))),
    no_stds_assertions: none(labels.filter((l) => l.startsWith('stds.'))),
    custom_assertions_have_a_namespace: none(labels.filter((l) => !l.includes('.'))),
    relationships: none(ingredients.map((i) => i.relationship)
      .filter((r) => !['parentOf', 'inputTo', 'componentOf'].includes(r))),
    one_parent: must(ingredients.filter((i) => i.relationship === 'parentOf').length <= 1, 'several parents'),
    no_results_without_manifest: none(ingredients.filter((i) => !i.activeManifest && i.validationResults)),
    results_with_manifest: none(ingredients.filter((i) => i.activeManifest && !i.validationResults)),
    source_type_or_manifest: none(ingredients.filter((i) => i.activeManifest && i.digitalSourceType)),
    no_human_reviews: none(values.filter((a) => a?.reviewRatings && /^humanEntry/.test(a.dataSource?.type ?? ''))),
    no_forbidden_references: none(values.filter((a) => a?.label && a?.url && !a.relationship
      && /^c2pa\.(actions|cloud-data|external-reference|hash|ingredient)/.test(a.label))),
    no_url_in_hashes: none(labels.filter((l) => l.startsWith('c2pa.hash') && assertions[l].url)),
    representation_has_one_place: none(values.filter((a) => [a?.type, a?.parameters?.type].includes('exif.originalPreservationImage')
      && (a.parameters?.multiAssetPartIndex == null) === (a.parameters?.embeddedOriginalPreservationImage == null))),
    hard_binding: must(labels.some((l) => l.startsWith('c2pa.hash.')), 'no hard binding'),
    no_box_hash_in_tiff: must(!(labels.includes('c2pa.hash.boxes') && claim['dc:format'] === 'image/tiff'), 'box hash'),
    ai_is_declared: must(labels.includes('c2pa.ai-disclosure')
      && actions.some((a) => /(trainedAlgorithmicMedia|TrainedAlgorithmicMedia|compositeSynthetic)$/
        .test(a.digitalSourceType ?? '')), 'no AI signal'),
    training_is_reserved: must(assertions['cawg.training-mining']?.entries, 'no training-mining'),
  };
}

// The 31 statements of the program's asset rubric 0.2 for specification 2.4 (c2pa-org/conformance-public,
// asset-rubrics/asset-rubric-conformance0.2-spec2.4.yml, 2026-03-31), and which of our checks stand for each. Where
// one of ours asks for more (no failure at all, not only of a list), the statement asks for it too.
export const statements = {
  mandatory_dst_for_perceptible_transformations: ['source_type_where_needed'],
  mandatory_spec_version: ['spec_version'],
  mandatory_all_actions_included: ['all_actions_included'],
  no_dst_for_opened_action: ['no_source_type_on_opened'],
  well_formed_data_present: ['validation_results_present'],
  well_formed_success: ['no_failure'],
  valid_data_present: ['validation_results_present'],
  valid_success: ['no_failure'],
  inception_action_position: ['actions_are_created_v2', 'inception_first', 'inception_once'],
  no_deprecated_assertions: ['known_assertions', 'no_stds_assertions'],
  no_unsupported_assertions: ['known_assertions'],
  no_deprecated_actions: ['known_actions'],
  no_unsupported_actions: ['known_actions'],
  no_unrecognized_custom_assertions: ['custom_assertions_have_a_namespace'],
  no_unrecognized_custom_actions: ['custom_actions_have_a_namespace'],
  no_unrecognized_custom_action_parameters: ['parameters_are_known'],
  discouraged_legacy_action_parameters: ['no_legacy_parameters'],
  active_manifest_urn: ['label_is_c2pa_urn'],
  review_ratings_datasource: ['no_human_reviews'],
  ingredient_v3_no_active_manifest: ['no_results_without_manifest'],
  ingredient_v3_mandatory_validation_results: ['results_with_manifest'],
  ingredient_relationship_values: ['relationships'],
  mandatory_dst_for_created_action: ['source_type_where_needed'],
  no_deprecated_claim_fields: ['claim_version_2', 'no_spec_version_in_claim'],
  ingredient_v3_choice: ['source_type_or_manifest'],
  alternative_content_representation_choice: ['representation_has_one_place'],
  forbidden_labels_in_external_references: ['no_forbidden_references'],
  no_url_in_hashes: ['no_url_in_hashes'],
  all_actions_included_opened: ['opened_alone_is_complete'],
  opened_action_ingredient_reference: ['opened_has_one_ingredient'],
  no_box_hash_for_tiff: ['no_box_hash_in_tiff'],
};

/// {kept, of, broken: [statements]} of what conformance() gave.
export function rubric(checks) {
  const broken = Object.entries(statements).filter(([, names]) => names.some((n) => checks[n] !== 'ok')).map(([s]) => s);
  const of = Object.keys(statements).length;
  return { kept: of - broken.length, of, broken };
}
