"""The book: five lectures whose every number is counted (`facts`) and whose claims are measured (`experiments`)."""
