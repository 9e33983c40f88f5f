INSERT INTO skuscribe.description (
    batch, uid, catalogue, title, description, flags, published, neighbours, neighbour_similarities, repetition, grounding,
    copying, length_words, ended, model_digest, retries, error,
    probability, evidence
) VALUES (
    %(batch)s, %(uid)s, %(catalogue)s, %(title)s, %(description)s, %(flags)s, %(published)s, %(neighbours)s,
    %(neighbour_similarities)s, %(repetition)s, %(grounding)s, %(copying)s, %(length_words)s, %(ended)s, %(model_digest)s,
    %(retries)s, %(error)s, %(probability)s, %(evidence)s
)
ON CONFLICT (batch, uid) DO UPDATE SET
    catalogue = excluded.catalogue, title = excluded.title, description = excluded.description, flags = excluded.flags,
    published = excluded.published, neighbours = excluded.neighbours,
    neighbour_similarities = excluded.neighbour_similarities, repetition = excluded.repetition,
    grounding = excluded.grounding, copying = excluded.copying, length_words = excluded.length_words,
    ended = excluded.ended, model_digest = excluded.model_digest, retries = excluded.retries, error = excluded.error,
    probability = excluded.probability, evidence = excluded.evidence,
    created = now();
