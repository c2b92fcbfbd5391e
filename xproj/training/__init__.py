"""Training of taggers on encoders: labelled sentences in, a folder that transformers opens out.

labelled     tables of labelled sentences as flat arrays: words, label and weight of each word
preparation  those to learn from: corpora checked, sentences without entities capped, languages mixed
examples     sub-words, windows, and padded batches of them
batching     which windows are in which batch, epoch by epoch
heads        the model with its head, its labels, and what of it is frozen
products     float32 products of matrices where torch's own are slow
vocabulary   only the rows of the embeddings that the corpus needs
checkpoints  states that count only when they are whole
trainer      the loop, which is that of transformers
losses       losses of words
objective    what is minimised, from these
soft         what teachers say of words
languages    how near languages are to a text
run          all of it, from tables to a model folder
"""
