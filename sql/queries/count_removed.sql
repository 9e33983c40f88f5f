SELECT count(*) FROM skuscribe.{old} o
WHERE NOT EXISTS (SELECT FROM skuscribe.{new} n WHERE n.uid = o.uid);
