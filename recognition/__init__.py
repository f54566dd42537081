"""Face recognition as Django apps; each may import those below it.

live > events > cameras > people > engine > jobs, notices > web
"""
