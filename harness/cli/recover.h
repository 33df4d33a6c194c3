#ifndef CLI_RECOVER_H
#define CLI_RECOVER_H

/* Where runs keep their ledgers while they change the world: LEDGER_FOLDER/RUN LEDGER_TAIL. */
#define LEDGER_FOLDER ".meshproof/ledger"
#define LEDGER_TAIL ".ledger"

#endif
