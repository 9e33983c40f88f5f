SELECT probability, label = 'right', weight
FROM skuscribe.audited
WHERE catalogue = %(catalogue)s AND probability IS NOT NULL AND (published OR flags <@ %(matched_reasons)s::text[]);
