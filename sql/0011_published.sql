-- What a shop imports. Whoever exports skuscribe.description has to remember to leave out the texts that are held back.
CREATE VIEW skuscribe.published AS
SELECT batch, catalogue, uid, title, description, probability
FROM skuscribe.description
WHERE published;

COMMENT ON VIEW skuscribe.published IS
    'The published texts by batch. probability: calibrated, that the text is about its title and true of it; null without a matcher.';
