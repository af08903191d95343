"""Tests of the documents: their pages, what they show, and the site that is built of them."""
