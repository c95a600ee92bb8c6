"""Analysis of many slides: runs, resumption, crashes, output folders."""
